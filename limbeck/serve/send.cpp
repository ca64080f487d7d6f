#include "limbeck/serve/send.h"

namespace limbeck::serve {
namespace {

constexpr std::string_view kJson = "application/json";

}  // namespace

void send(Exchange& exchange, const ApiError& error) {
  exchange.reply(error.status(), limbeck::to_text(error.to_json()), kJson);
}
void send(Exchange& exchange, const Json& json) {
  exchange.reply(200, limbeck::to_text(json), kJson);
}

ApiError from_outcome(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::usage:
      return {400, "", error.what()};
    case ErrorKind::io:
    case ErrorKind::interrupted:
      return {503, "", error.what()};
    default:
      return {500, "", error.what()};
  }
}

}  // namespace limbeck::serve

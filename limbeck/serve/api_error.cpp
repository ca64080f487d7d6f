#include "limbeck/serve/api_error.h"

namespace limbeck::serve {
namespace {

std::string_view type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

Json ApiError::to_json() const {
  const Json param = param_.empty() ? Json() : Json(param_);
  return {{"error",
           {{"message", what()}, {"type", type_of(status_)}, {"param", param}, {"code", status_}}}};
}

}  // namespace limbeck::serve

// A request's body for each endpoint: the first byte picks it.
#include "fuzz/target.h"
#include "limbeck/serve/api_error.h"
#include "limbeck/serve/reply.h"
#include "limbeck/serve/request.h"

namespace {

using namespace limbeck;

void read(char endpoint, const Json& body) {
  constexpr std::int64_t kVocab = 1000;
  switch (endpoint) {
    case 'c': {
      const serve::ChatRequest request = serve::read_chat_request(body, kVocab);
      fuzz::require(request.n >= 1 && !request.messages.empty(), "a chat has messages");
      if (!request.tools.is_null()) serve::tool_calls_of(to_text(body), request.tools);
      return;
    }
    case 'p':
      fuzz::require(!serve::read_completion_request(body, kVocab).prompts.empty(), "has prompts");
      return;
    case 'e':
      serve::read_embedding_request(body, kVocab);
      return;
    case 't':
      serve::read_tokenize_request(body);
      return;
    default:
      serve::read_detokenize_request(body, kVocab);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  return fuzz::value_or_error([&] {
    try {
      read(static_cast<char>(data[0]), parse_json(fuzz::as_text(data + 1, size - 1), "fuzz"));
    } catch (const serve::ApiError& error) {
      fuzz::require(error.status() == 400, "the client is to blame");
      parse_json(to_text(error.to_json()), "error");
    }
  });
}

// What a client asks for, read from JSON without trusting any of it: every field has a type and a
// range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/runtime/generate.h"

namespace limbeck::serve {

// The fields that chat and plain completions share.
struct SamplingRequest {
  std::string model;  // as the client names it; any is accepted
  GenerateOptions options;
  int n = 1;  // answers to each prompt
  bool stream = false, include_usage = false;
};

struct ChatRequest : SamplingRequest {
  Json messages;  // contents as plain texts
  Json tools;     // normal definitions; null: none are shown to the model
  bool must_call = false, parallel_calls = true;
  std::optional<Grammar> grammar;  // of the answer
  bool logprobs = false;
};

struct CompletionRequest : SamplingRequest {
  // One of the two forms for each prompt.
  struct Prompt {
    std::string text;
    std::vector<TokenId> ids;
    bool is_text = true;
  };
  std::vector<Prompt> prompts;
  bool echo = false;
  bool logprobs = false;  // options.top_logprobs alternatives of each
  std::optional<Grammar> grammar;
};

struct EmbeddingRequest {
  std::string model;
  std::vector<CompletionRequest::Prompt> inputs;
  bool base64 = false;
};

// Each throws ApiError{400} naming the field. `vocab_size` bounds token ids. Unknown fields are
// ignored, as clients send many.
ChatRequest read_chat_request(const Json& body, std::int64_t vocab_size);
CompletionRequest read_completion_request(const Json& body, std::int64_t vocab_size);
EmbeddingRequest read_embedding_request(const Json& body, std::int64_t vocab_size);

// Text of "content", "text" or "prompt"; whether special tokens are added and found.
struct TokenizeRequest {
  std::string text;
  bool add_special = true;
};
TokenizeRequest read_tokenize_request(const Json& body);
std::vector<TokenId> read_detokenize_request(const Json& body, std::int64_t vocab_size);

}  // namespace limbeck::serve

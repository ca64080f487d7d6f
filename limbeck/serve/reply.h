// Answers as OpenAI's clients expect them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/serve/engine.h"
#include "limbeck/serve/request.h"

namespace limbeck::serve {

// What every chunk and answer to one request says of it.
struct ReplyHead {
  std::string id;  // "chatcmpl-...", "cmpl-..."
  std::string model;
  std::int64_t created = 0;  // seconds since the epoch
  bool chat = false;
};
ReplyHead make_head(bool chat, std::string_view model);

struct Usage {
  std::int64_t prompt = 0, completion = 0, cached = 0;
  Json to_json() const;
};

// "stop", "length" or "tool_calls".
std::string_view finish_reason(Generated::Finish finish, bool called);

// The calls of an answer as [{"id", "type", "function": {"name", "arguments"}}]; nullopt where the
// text is no call of one of the tools.
std::optional<Json> tool_calls_of(std::string_view text, const Json& tools);
// May this beginning of an answer still become a call? Then it is held back from a stream.
bool may_be_call(std::string_view text);

// {"content": [{"token", "logprob", "bytes", "top_logprobs"}]} of ids[first, last).
Json chat_logprobs(const Tokenizer& tokenizer, const Generated& generated, std::size_t first,
                   std::size_t last);

// The older form, of an answer and, with echo, its prompt: {"tokens", "token_logprobs",
// "top_logprobs", "text_offset"}. The first token of a prompt has none: null. The token that ended
// the answer is there too: lm-eval counts on one token for max_tokens: 1.
Json completion_logprobs(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                         const Outcome& outcome, bool alternatives);

Json chat_choice(int index, const Tokenizer& tokenizer, const ChatRequest& request,
                 const Outcome& outcome);
Json completion_choice(int index, const Tokenizer& tokenizer, const CompletionRequest& request,
                       std::string_view prompt_text, std::span<const TokenId> prompt,
                       const Outcome& outcome);

// The whole answer, and one chunk of a stream (`choice` null: the one with the usage).
Json whole_reply(const ReplyHead& head, Json choices, const Usage& usage);
Json chunk(const ReplyHead& head, Json choice, const Usage* usage);

}  // namespace limbeck::serve

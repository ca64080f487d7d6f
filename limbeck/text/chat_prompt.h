// From messages to the exact token ids a model is given, in training and in use alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {

// ChatML, what models trained here use: <|im_start|>role\ncontent<|im_end|>\n, tools listed in the
// system message.
extern const std::string_view kDefaultChatTemplate;

// The prompt for the next assistant message, by the model's own template; a model without one gets
// "content\n" of each message in turn. `tools`: OpenAI definitions or null. Untrusted text never
// becomes a special token. Throws as ChatTemplate.
std::vector<TokenId> chat_prompt(const Tokenizer& tokenizer, const Json& messages,
                                 const Json& tools = nullptr);

// What templates know of a model: {"bos_token": "<s>", "eos_token": ...}; empty where it has none.
Json special_token_names(const Tokenizer& tokenizer);

// The token that ends an assistant message: what the template puts after its content, else EOS.
// Throws Error{unsupported} if the model has neither.
TokenId answer_end(const Tokenizer& tokenizer);

}  // namespace limbeck

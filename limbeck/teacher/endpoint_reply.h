// What a chat completion says, read without trusting any of it.
#pragma once

#include <string>
#include <string_view>

#include "limbeck/teacher/teacher.h"

namespace limbeck {

// The first choice of a chat completion as an answer: its text without control characters (a tool
// call as {"name", "arguments"} JSON; empty after a content filter or refusal, or where it was cut
// at max_tokens), token counts, and, with a tokenizer, soft labels where every token of the answer
// has an id in it. Throws Error{network} on anything that is no such reply, an error body under
// status 200 included.
TeacherAnswer read_completion(std::string_view body, const Tokenizer* tokenizer);

// The message of an error body, at most 200 characters of it, without control characters.
std::string error_message(std::string_view body);

}  // namespace limbeck

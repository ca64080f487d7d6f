// Published dialogues as the conversations this benchmark trains on: every assistant message is a
// call, {"name", "arguments"} as compact JSON; what it says to the user stands in the line below.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "limbeck/base/json.h"

namespace tool_calling {

using limbeck::Json;

// Messages {"role": "user" | "assistant", "content"}. A call's results follow as the user's.
using Conversation = std::vector<Json>;

// The line that stands for a message to the user: its words are not compared, so they are no
// argument.
extern const std::string kRespond;

// A row of distil-tft-benchmarking: {"question": conversation, "answer": {"name", "parameters"}}.
// `tools` here and below: definitions, in whose order a known function's arguments come.
Conversation from_trace(const Json& row, const Json& tools);

// A dialogue of Schema-Guided Dialogue. Throws as nlohmann::json where its form is another.
Conversation from_sgd(const Json& dialogue, const Json& tools);

// The stretches of a dialogue of several services that are about `service` alone, each from a
// message of the user on, and hold a call whose names all occur before it in the stretch.
std::vector<Conversation> about(const std::string& service, const Json& dialogue,
                                const Json& tools);

// The user's own words, as one text: what tells two dialogues apart.
std::string words_of_user(const Conversation& conversation);

}  // namespace tool_calling

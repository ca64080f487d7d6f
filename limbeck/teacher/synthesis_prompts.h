// What a teacher is asked for new inputs, and what it says.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/random.h"
#include "limbeck/task/task.h"

namespace limbeck {

inline constexpr int kInputsACall = 4;

// Two seeds of the wanted kind, two of another, a length and a topic drawn by `random`. `label`:
// the label wanted; empty: none in particular.
std::string synthesis_prompt(const Task& task, std::span<const Example> seeds,
                             const std::string& label, std::span<const std::string> topics,
                             Random& random);

// The inputs in an answer: its lines, or the strings of a JSON list, without numbers, bullets and
// quotes. At most 64.
std::vector<std::string> inputs_in(std::string_view answer);

}  // namespace limbeck

#include "limbeck/teacher/synthesis_prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "limbeck/base/error.h"
#include "limbeck/task/words.h"

namespace limbeck {
namespace {

constexpr std::size_t kMostInputs = 64;

constexpr std::array<std::string_view, 6> kLengths = {"each of at most six words",
                                                      "each one short sentence",
                                                      "each one longer sentence",
                                                      "each of two or three sentences",
                                                      "each written in a hurry, informally",
                                                      "each polite and detailed"};

std::string flat(const Json& input) {
  std::string text = input_text(input);
  std::ranges::replace(text, '\n', ' ');
  return text;
}

// Up to two of the seeds for which `wanted` holds.
template <typename F>
std::string two_of(std::span<const Example> seeds, Random& random, F&& wanted) {
  std::vector<const Example*> fitting;
  for (const Example& seed : seeds) {
    if (wanted(seed)) fitting.push_back(&seed);
  }
  shuffle(fitting, random);
  std::string lines;
  for (std::size_t i = 0; i < std::min<std::size_t>(2, fitting.size()); ++i) {
    lines += "- " + flat(fitting[i]->input) + "\n";
  }
  return lines;
}

std::string_view without_mark(std::string_view line) {
  line = trimmed(line);
  std::size_t digits = 0;
  while (digits < line.size() && digits < 3 && line[digits] >= '0' && line[digits] <= '9') ++digits;
  if (digits > 0 && digits < line.size() && (line[digits] == '.' || line[digits] == ')')) {
    line = trimmed(line.substr(digits + 1));
  } else if (line.starts_with("- ") || line.starts_with("* ")) {
    line = trimmed(line.substr(2));
  }
  if (line.size() > 1 && line.front() == '"' && line.back() == '"') {
    line = line.substr(1, line.size() - 2);
  }
  return line;
}

}  // namespace

std::string synthesis_prompt(const Task& task, std::span<const Example> seeds,
                             const std::string& label, std::span<const std::string> topics,
                             Random& random) {
  const auto is_wanted = [&](const Example& seed) {
    return label.empty() || (seed.output && *seed.output == label);
  };
  const std::string like = two_of(seeds, random, is_wanted);
  const std::string unlike =
      two_of(seeds, random, [&](const Example& seed) { return !is_wanted(seed); });
  std::string prompt = fmt::format("The task: {}\n", task.instruction);
  if (!label.empty())
    prompt += fmt::format("Inputs whose answer is '{}':\n", label);
  else
    prompt += "Some inputs:\n";
  prompt += like.empty() ? "(none is known yet)\n" : like;
  if (!unlike.empty()) prompt += "Inputs of another kind, which are not wanted:\n" + unlike;
  prompt += fmt::format(
      "Write {} new inputs{}, {}, as different from each other and from these as can be",
      kInputsACall, label.empty() ? "" : fmt::format(" whose answer is '{}'", label),
      kLengths[random.below(kLengths.size())]);
  if (!topics.empty()) prompt += ", about " + topics[random.below(topics.size())];
  return prompt + ". One a line, nothing else.";
}

std::vector<std::string> inputs_in(std::string_view answer) {
  std::vector<std::string> inputs;
  const std::string_view text = without_thinking(answer);
  if (text.starts_with('[')) {
    try {
      const Json list = parse_json(text, "answer");
      for (const Json& item : list) {
        if (item.is_string() && inputs.size() < kMostInputs) inputs.push_back(item);
      }
      return inputs;
    } catch (const Error&) {  // lines, then
    }
  }
  for (std::size_t at = 0; at < text.size() && inputs.size() < kMostInputs;) {
    const auto end = std::min(text.find('\n', at), text.size());
    const std::string_view line = without_mark(text.substr(at, end - at));
    if (!line.empty() && !line.starts_with("```")) inputs.emplace_back(line);
    at = end + 1;
  }
  return inputs;
}

}  // namespace limbeck

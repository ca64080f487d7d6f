// Reading a model's answer, and scoring it against gold.
#include <fmt/format.h>

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/task/check.h"
#include "limbeck/task/json_answer.h"
#include "limbeck/task/overlap.h"
#include "limbeck/task/task.h"
#include "limbeck/task/tool_call.h"
#include "limbeck/task/words.h"
#include "limbeck/text/schema_validator.h"

namespace limbeck {
namespace {

// Letter case, quotes, a final full stop and the kind of gap between words do not make a label
// wrong.
std::string label_key(std::string_view text) { return plain_words(text); }

ParsedAnswer parse_label(const Task& task, std::string_view text) {
  text = without_thinking(text);
  const auto& labels = task.labels;
  auto found = std::find(labels.begin(), labels.end(), text);
  if (found == labels.end()) {
    const std::string key = label_key(text);
    const auto same = [&](const std::string& label) { return label_key(label) == key; };
    // Labels that differ in punctuation alone ("+", "-") must be spelled exactly.
    if (!key.empty() && std::count_if(labels.begin(), labels.end(), same) == 1) {
      found = std::find_if(labels.begin(), labels.end(), same);
    }
  }
  if (found == labels.end()) {
    return {false, nullptr, fmt::format("'{}' is no label", text.substr(0, 80))};
  }
  return {true, *found, ""};
}

ParsedAnswer parse_record(const Task& task, std::string_view text) {
  auto value = find_json(text);
  if (!value) return {false, nullptr, "no JSON in the answer"};
  if (!value->is_object()) return {false, nullptr, "the answer is not a JSON object"};
  auto fault = validate_json(task.schema, *value);
  return {!fault, std::move(*value), fault.value_or("")};
}

ParsedAnswer parse_calls(const Task& task, std::string_view text) {
  const auto value = find_json(text);
  if (!value) return {false, nullptr, "no JSON in the answer"};
  try {
    Json calls = Json::array();
    std::string fault;
    for (Json& call : normal_calls(*value, "answer")) {
      if (fault.empty()) fault = call_fault(task.tools, call);
      calls.push_back(std::move(call));
    }
    if (calls.empty()) return {false, nullptr, "the answer holds no tool call"};
    return {fault.empty(), calls.size() == 1 ? calls[0] : calls, fault};
  } catch (const Error& e) {
    return {false, nullptr, e.what()};
  }
}

void score_record(const Json& predicted, const Json& gold, ItemScore& score) {
  const auto mine = leaves(predicted), theirs = leaves(gold);
  std::vector<Leaf> common;
  std::set_intersection(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                        std::back_inserter(common));
  const auto count = [&](const std::vector<Leaf>& list, std::int64_t FieldCounts::*field) {
    score.fields.*field = static_cast<std::int64_t>(list.size());
    for (const Leaf& leaf : list) ++(score.by_field[leaf.path].*field);
  };
  count(common, &FieldCounts::right);
  count(mine, &FieldCounts::predicted);
  count(theirs, &FieldCounts::gold);
  const auto both = mine.size() + theirs.size();
  score.primary = mine == theirs ? 1 : 0;
  score.secondary =
      both == 0 ? 1 : 2 * static_cast<double>(common.size()) / static_cast<double>(both);
}

void score_question(const std::string& answer, const Json& gold, ItemScore& score) {
  const auto against = [&](const Json& accepted) {
    const auto& text = accepted.get_ref<const std::string&>();
    score.primary = std::max(score.primary, squad_exact(answer, text) ? 1.0 : 0.0);
    score.secondary = std::max(score.secondary, squad_f1(answer, text));
  };
  if (!gold.is_array()) return against(gold);
  for (const Json& accepted : gold) against(accepted);
}

void score_calls(const Task& task, const Json& predicted, const Json& gold, ItemScore& score) {
  const auto calls = normal_calls(predicted, "answer"), expected = normal_calls(gold, "gold");
  score.primary = same_calls(task.tools, calls, expected) ? 1 : 0;
  score.secondary = staged_score(task.tools, calls, expected);
}

}  // namespace

ParsedAnswer parse_answer(const Task& task, std::string_view text) {
  switch (task.kind) {
    case TaskKind::classification:
      return parse_label(task, text);
    case TaskKind::extraction:
      return parse_record(task, text);
    case TaskKind::tool_calling:
      return parse_calls(task, text);
    case TaskKind::qa:
      return {true, std::string(without_thinking(text)), ""};
    case TaskKind::generation:
      break;
  }
  text = without_thinking(text);
  if (text.empty()) return {false, "", "the answer is empty"};
  return {true, std::string(text), ""};
}

ItemScore score_answer(const Task& task, std::string_view answer, const Json& gold) {
  const ParsedAnswer parsed = parse_answer(task, answer);
  ItemScore score;
  score.valid = parsed.valid;
  score.gold = answer_text(task, gold);
  score.predicted =
      parsed.value.is_null() ? std::string(trimmed(answer)) : answer_text(task, parsed.value);
  if (task.kind == TaskKind::extraction) {
    score_record(parsed.value.is_null() ? Json::object() : parsed.value, gold, score);
    // An empty record is the right answer to some inputs, but no answer at all is not.
    if (parsed.value.is_null()) score.primary = score.secondary = 0;
    return score;
  }
  if (parsed.value.is_null()) return score;
  switch (task.kind) {
    case TaskKind::classification:
      score.primary = parsed.value == gold ? 1 : 0;
      break;
    case TaskKind::qa:
      score_question(parsed.value.get_ref<const std::string&>(), gold, score);
      break;
    case TaskKind::tool_calling:
      score_calls(task, parsed.value, gold, score);
      break;
    default:
      score.primary = rouge_l(parsed.value.get_ref<const std::string&>(), score.gold);
      score.secondary = parsed.value.get_ref<const std::string&>() == trimmed(score.gold) ? 1 : 0;
  }
  return score;
}

}  // namespace limbeck

// The metrics of a task from its items, each with its interval.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "limbeck/base/error.h"
#include "limbeck/evaluate/evaluate.h"

namespace limbeck {
namespace {

using Items = std::vector<ItemScore>;

Interval mean_of(const Items& items, const std::function<double(const ItemScore&)>& score) {
  std::vector<double> scores;
  for (const ItemScore& item : items) scores.push_back(score(item));
  return bootstrap_mean(scores);
}

Interval share_of(const Items& items, const std::function<bool(const ItemScore&)>& right) {
  return wilson(std::count_if(items.begin(), items.end(), right),
                static_cast<std::int64_t>(items.size()));
}

double f1(double right, double predicted, double gold) {
  return predicted + gold == 0 ? 1 : 2 * right / (predicted + gold);
}

// What one item adds to the count of one class (label or field).
struct Part {
  std::size_t of;
  FieldCounts counts;
};

// Mean of F1 over the classes that stand in gold or prediction, recounted in each resample.
Interval macro_f1(const std::vector<std::vector<Part>>& parts, std::size_t n_classes) {
  std::vector<double> right(n_classes), predicted(n_classes), gold(n_classes);
  return bootstrap(parts.size(), [&](std::span<const std::uint32_t> counts) {
    for (auto* sums : {&right, &predicted, &gold}) std::fill(sums->begin(), sums->end(), 0.0);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (counts[i] == 0) continue;
      for (const Part& part : parts[i]) {
        right[part.of] += counts[i] * static_cast<double>(part.counts.right);
        predicted[part.of] += counts[i] * static_cast<double>(part.counts.predicted);
        gold[part.of] += counts[i] * static_cast<double>(part.counts.gold);
      }
    }
    double sum = 0;
    std::size_t present = 0;
    for (std::size_t c = 0; c < n_classes; ++c) {
      if (predicted[c] + gold[c] == 0) continue;
      sum += f1(right[c], predicted[c], gold[c]);
      ++present;
    }
    return present == 0 ? 1.0 : sum / static_cast<double>(present);
  });
}

// An answer that is no label counts as predicting none, as a wrong class that is never gold would.
Interval macro_f1_of_labels(const Items& items) {
  std::map<std::string, std::size_t> classes;
  const auto class_of = [&](const std::string& label) {
    return classes.emplace(label, classes.size()).first->second;
  };
  std::vector<std::vector<Part>> parts;
  for (const ItemScore& item : items) {
    const bool right = item.primary == 1;
    parts.push_back({{class_of(item.gold), {right, right, 1}}});
    if (!right && item.valid) parts.back().push_back({class_of(item.predicted), {0, 1, 0}});
  }
  return macro_f1(parts, classes.size());
}

Interval macro_f1_of_fields(const Items& items) {
  std::map<std::string, std::size_t> fields;
  std::vector<std::vector<Part>> parts;
  for (const ItemScore& item : items) {
    parts.emplace_back();
    for (const auto& [field, counts] : item.by_field) {
      parts.back().push_back({fields.emplace(field, fields.size()).first->second, counts});
    }
  }
  return macro_f1(parts, fields.size());
}

Interval micro_f1(const Items& items) {
  return bootstrap(items.size(), [&](std::span<const std::uint32_t> counts) {
    double right = 0, predicted = 0, gold = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      right += counts[i] * static_cast<double>(items[i].fields.right);
      predicted += counts[i] * static_cast<double>(items[i].fields.predicted);
      gold += counts[i] * static_cast<double>(items[i].fields.gold);
    }
    return f1(right, predicted, gold);
  });
}

std::map<std::string, Interval> metrics_of(TaskKind kind, const Items& items) {
  const auto right = [](const ItemScore& item) { return item.primary == 1; };
  const auto valid = [](const ItemScore& item) { return item.valid; };
  const auto primary = [](const ItemScore& item) { return item.primary; };
  const auto secondary = [](const ItemScore& item) { return item.secondary; };
  switch (kind) {
    case TaskKind::classification:
      return {{"accuracy", share_of(items, right)},
              {"macro_f1", macro_f1_of_labels(items)},
              {"valid", share_of(items, valid)}};
    case TaskKind::extraction:
      return {{"exact_record", share_of(items, right)},
              {"field_f1", micro_f1(items)},
              {"field_f1_macro", macro_f1_of_fields(items)},
              {"valid", share_of(items, valid)}};
    case TaskKind::qa:
      return {{"exact_match", share_of(items, right)}, {"token_f1", mean_of(items, secondary)}};
    case TaskKind::tool_calling:
      return {{"equivalent", share_of(items, right)},
              {"staged", mean_of(items, secondary)},
              {"valid", share_of(items, valid)}};
    case TaskKind::generation:
      break;
  }
  return {
      {"rouge_l", mean_of(items, primary)},
      {"exact_match", share_of(items, [](const ItemScore& item) { return item.secondary == 1; })}};
}

}  // namespace

TaskResult score_task(const Task& task, std::span<const Example> examples,
                      std::span<const Answer> answers) {
  if (examples.size() != answers.size()) {
    fail(ErrorKind::usage, "{}: {} answers to {} examples", task.name, answers.size(),
         examples.size());
  }
  TaskResult result;
  result.task = task.name;
  result.kind = name(task.kind);
  result.primary = primary_metric(task.kind);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (!examples[i].output) continue;
    result.items.push_back(score_answer(task, answers[i].text, *examples[i].output));
    result.item_scores.push_back(result.items.back().primary);
  }
  result.n = static_cast<std::int64_t>(result.items.size());
  result.metrics = metrics_of(task.kind, result.items);
  return result;
}

Json to_json(const Interval& interval) {
  return {{"value", interval.value}, {"low", interval.low}, {"high", interval.high}};
}

Json to_json(const TaskResult& result) {
  Json metrics = Json::object();
  for (const auto& [name, interval] : result.metrics) {
    metrics[name] = to_json(interval);
  }
  Json json = {{"task", result.task},
               {"kind", result.kind},
               {"n", result.n},
               {"primary", result.primary},
               {"metrics", metrics}};
  if (result.seconds > 0) json["seconds"] = result.seconds;
  return json;
}

}  // namespace limbeck

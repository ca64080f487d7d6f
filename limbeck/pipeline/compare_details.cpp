#include "limbeck/pipeline/compare_details.h"

#include <algorithm>
#include <map>
#include <set>

namespace limbeck::pipeline {
namespace {

constexpr std::size_t kDisagreements = 20, kConfusions = 10, kShownBytes = 2000;

const TaskScores* any_of(const ScoresOfModels& results) {
  for (const auto& result : results) {
    if (result) return &*result;
  }
  return nullptr;
}

// Long inputs are cut for the report, at a character's start.
std::string shown(std::string text) {
  if (text.size() <= kShownBytes) return text;
  std::size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + " ...";
}

Json disagreement(const LoadedTask& task, const ScoresOfModels& results, const Json& models,
                  std::size_t item) {
  Json answers = Json::array();
  std::string gold;
  for (std::size_t m = 0; m < results.size(); ++m) {
    if (!results[m]) {
      answers.push_back({{"model", models[m].at("name")}, {"answer", nullptr}, {"right", nullptr}});
      continue;
    }
    const ItemScore& score = results[m]->items[item];
    gold = score.gold;
    answers.push_back({{"model", models[m].at("name")},
                       {"answer", shown(score.predicted)},
                       {"right", score.primary == 1}});
  }
  return {{"input", shown(input_text(task.examples[item].input))},
          {"gold", shown(gold)},
          {"answers", answers}};
}

Json fields_of(const ScoresOfModels& results) {
  struct Field {
    std::int64_t n = 0;
    std::vector<FieldCounts> counts;
  };
  std::map<std::string, Field> fields;
  const TaskScores* first = any_of(results);
  for (const auto& result : results) {
    if (!result) continue;
    const auto m = static_cast<std::size_t>(&result - results.data());
    for (const ItemScore& item : result->items) {
      for (const auto& [name, counts] : item.by_field) {
        Field& field = fields[name];
        field.counts.resize(results.size());
        field.counts[m].right += counts.right;
        field.counts[m].predicted += counts.predicted;
        field.counts[m].gold += counts.gold;
        if (&*result == first) field.n += counts.gold;
      }
    }
  }
  Json rows = Json::array();
  for (const auto& [name, field] : fields) {
    Json f1 = Json::array();
    for (std::size_t m = 0; m < results.size(); ++m) {
      const FieldCounts& c = field.counts[m];
      f1.push_back(
          results[m] && c.predicted + c.gold > 0
              ? Json(2 * static_cast<double>(c.right) / static_cast<double>(c.predicted + c.gold))
              : Json());
    }
    rows.push_back({{"class", name}, {"n", field.n}, {"recall", f1}});
  }
  return rows;
}

}  // namespace

Json disagreements_of(const LoadedTask& task, const ScoresOfModels& results, const Json& models) {
  Json telling = Json::array(), others = Json::array();
  const TaskScores* first = any_of(results);
  for (std::size_t i = 0; first && i < first->items.size(); ++i) {
    std::set<std::string> answers;
    std::set<bool> right;
    for (const auto& result : results) {
      if (!result) continue;
      answers.insert(result->items[i].predicted);
      right.insert(result->items[i].primary == 1);
    }
    Json& rows = right.size() > 1 ? telling : others;
    if (answers.size() > 1 && rows.size() < kDisagreements)
      rows.push_back(disagreement(task, results, models, i));
  }
  for (std::size_t i = 0; i < others.size() && telling.size() < kDisagreements; ++i)
    telling.push_back(others[i]);
  return telling;
}

Json classes_of(const LoadedTask& task, const ScoresOfModels& results) {
  const TaskScores* first = any_of(results);
  if (!first) return Json::array();
  if (task.task.kind == TaskKind::extraction) return fields_of(results);
  Json rows = Json::array();
  if (task.task.kind != TaskKind::classification) return rows;
  std::map<std::string, std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < first->items.size(); ++i) members[first->items[i].gold].push_back(i);
  for (const auto& [label, items] : members) {
    Json recall = Json::array();
    for (const auto& result : results) {
      double right = 0;
      for (const std::size_t i : items) right += result ? result->items[i].primary : 0;
      recall.push_back(result ? Json(right / static_cast<double>(items.size())) : Json());
    }
    rows.push_back({{"class", label}, {"n", items.size()}, {"recall", recall}});
  }
  return rows;
}

Json confusions_of(const LoadedTask& task, const ScoresOfModels& results, const Json& models) {
  Json rows = Json::array();
  if (task.task.kind != TaskKind::classification) return rows;
  for (std::size_t m = 0; m < results.size(); ++m) {
    if (!results[m]) continue;
    std::map<std::pair<std::string, std::string>, int> counts;
    for (const ItemScore& item : results[m]->items) {
      if (item.primary == 0) ++counts[{item.gold, shown(item.predicted)}];
    }
    std::vector<std::pair<std::pair<std::string, std::string>, int>> sorted(counts.begin(),
                                                                            counts.end());
    std::ranges::stable_sort(sorted, std::greater{}, &decltype(sorted)::value_type::second);
    for (std::size_t i = 0; i < std::min(sorted.size(), kConfusions); ++i) {
      rows.push_back({{"model", models[m].at("name")},
                      {"gold", sorted[i].first.first},
                      {"predicted", sorted[i].first.second},
                      {"n", sorted[i].second}});
    }
  }
  return rows;
}

}  // namespace limbeck::pipeline

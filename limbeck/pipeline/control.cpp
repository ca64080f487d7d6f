#include "limbeck/pipeline/control.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "limbeck/base/error.h"
#include "limbeck/evaluate/evaluate.h"
#include "limbeck/model/checkpoint.h"

namespace limbeck::pipeline {
namespace {

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) /
         std::max(1.0, static_cast<double>(values.size()));
}

using Arm = std::vector<double> SeedScores::*;

// Each item's mean over the seeds.
std::vector<double> mean_of_seeds(const std::vector<SeedScores>& scores, Arm arm) {
  std::vector<double> items((scores[0].*arm).size(), 0);
  for (const SeedScores& one : scores) {
    for (std::size_t i = 0; i < items.size(); ++i)
      items[i] += (one.*arm)[i] / static_cast<double>(scores.size());
  }
  return items;
}

std::string points(double value) { return fmt::format("{:+.1f}", 100 * value); }

}  // namespace

Json judge_soft_labels(const std::string& metric, const std::vector<SeedScores>& scores,
                       std::uint64_t seed) {
  LIMBECK_ASSERT(!scores.empty());
  const auto with = mean_of_seeds(scores, &SeedScores::with);
  Json json = {{"metric", metric},
               {"n", with.size()},
               {"with", to_json(bootstrap_mean(with, seed))},
               {"seeds", Json::array()}};
  const bool control = !scores[0].without.empty();
  for (const SeedScores& one : scores) {
    Json entry = {{"seed", one.seed}, {"with", mean(one.with)}};
    if (control) entry["without"] = mean(one.without);
    json["seeds"].push_back(std::move(entry));
  }
  if (!control) return json;
  const auto without = mean_of_seeds(scores, &SeedScores::without);
  json["without"] = to_json(bootstrap_mean(without, seed));
  // One seed's right and wrong answers have an exact test.
  const auto whole = [](double score) { return score == 0 || score == 1; };
  const bool exact = std::ranges::all_of(with, whole) && std::ranges::all_of(without, whole);
  const Interval difference =
      exact ? paired_proportions(without, with) : paired_difference(without, with, seed);
  const double p = exact ? mcnemar(without, with) : paired_bootstrap_p(without, with, seed);
  json["difference"] = to_json(difference);
  json["difference"]["p"] = p;
  json["difference"]["test"] = exact ? "McNemar, exact" : "paired bootstrap";
  const char* helped = p >= 0.05 ? "not shown" : difference.value > 0 ? "yes" : "no";
  json["helped"] = helped;
  json["sentence"] = fmt::format(
      "Soft labels {}: {} points of {} against the same student trained on the teacher's texts "
      "alone ({} to {}; p {:.3f}, {}; {} items, {} seed{}).",
      helped[0] == 'y'    ? "helped"
      : helped[2] == '\0' ? "did harm"
                          : "were not shown to help",
      points(difference.value), metric, points(difference.low), points(difference.high), p,
      exact ? "McNemar" : "paired bootstrap", with.size(), scores.size(),
      scores.size() == 1 ? "" : "s");
  return json;
}

std::vector<double> item_scores(const std::filesystem::path& path, const Task& task,
                                std::span<const Example> examples, ThreadPool& pool) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  const Model model(checkpoint);
  AnswerOptions options;
  options.style = prompt_style_of(checkpoint.manifest());
  return score_task(task, examples, answer_locally(model, pool, task, examples, options))
      .item_scores;
}

}  // namespace limbeck::pipeline

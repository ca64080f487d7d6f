#include "limbeck/pipeline/cross_fit.h"

#include <fmt/format.h>

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"

namespace limbeck::pipeline {
namespace {

constexpr std::size_t kLeastShare = 20;  // one in so many must be kept

// Turns of one conversation share its beginning, and the earlier outputs stand in the later inputs.
const Json& beginning(const Json& input) {
  const bool conversation = input.is_object() && input.contains("messages") &&
                            input["messages"].is_array() && !input["messages"].empty();
  return conversation ? input["messages"][0] : input;
}

// The fold of each example: groups in the order of a hash, dealt out in turn.
std::vector<int> folds_of(std::span<const Example> examples, int folds, std::uint64_t seed) {
  std::vector<std::pair<std::string, std::size_t>> order;
  for (std::size_t i = 0; i < examples.size(); ++i)
    order.emplace_back(
        sha256_hex(fmt::format("{}\n{}", seed, to_text(beginning(examples[i].input)))), i);
  std::ranges::sort(order);
  std::vector<int> fold(examples.size());
  int next = -1;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || order[i].first != order[i - 1].first) next = (next + 1) % folds;
    fold[order[i].second] = next;
  }
  return fold;
}

std::vector<Example> with_outputs(std::span<const Example> examples) {
  std::vector<Example> out;
  for (const Example& example : examples)
    if (example.output) out.push_back(example);
  return out;
}

}  // namespace

CrossFitted cross_fit(const Task& task, std::span<const Example> examples, const CrossFit& options,
                      std::uint64_t seed, const FoldAnswers& answers) {
  if (task.kind == TaskKind::generation)
    fail_try(ErrorKind::usage, "leave cross_fit out",
             "{}: free texts never agree word for word, so cross_fit cannot judge them", task.name);
  const std::vector<Example> rows = with_outputs(examples);
  if (options.folds < 2 || options.rounds < 1 ||
      rows.size() < static_cast<std::size_t>(options.folds))
    fail(ErrorKind::usage,
         "{}: cross_fit needs two folds or more, a round, and a row for each fold", task.name);
  const std::vector<int> fold = folds_of(rows, options.folds, seed);
  std::vector<bool> kept(rows.size(), true);
  std::vector<std::string> said(rows.size());
  CrossFitted out;
  out.report = {{"folds", options.folds}, {"rows", rows.size()}, {"kept", Json::array()}};
  for (int round = 1; round <= options.rounds; ++round) {
    for (int part = 0; part < options.folds; ++part) {
      std::vector<Example> train, held_out;
      std::vector<std::size_t> places;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (fold[i] == part) {
          held_out.push_back(rows[i]);
          places.push_back(i);
        } else if (kept[i]) {
          train.push_back(rows[i]);
        }
      }
      if (held_out.empty()) continue;  // fewer groups than folds
      const auto texts = answers(fmt::format("round{}-fold{}", round, part + 1), train, held_out);
      LIMBECK_ASSERT(texts.size() == held_out.size());
      for (std::size_t i = 0; i < places.size(); ++i) said[places[i]] = texts[i];
    }
    for (std::size_t i = 0; i < rows.size(); ++i)
      kept[i] = score_answer(task, said[i], *rows[i].output).primary >= 1;
    const auto n = static_cast<std::size_t>(std::ranges::count(kept, true));
    out.report["kept"].push_back(n);
    say(fmt::format("cross-fit, round {}: {} of {} outputs agree with a model that never saw them",
                    round, n, rows.size()));
    if (n * kLeastShare < rows.size())
      fail_try(ErrorKind::quality, "train longer, on more rows, or without cross_fit",
               "{}: models trained on the other rows agree with {} of {} outputs alone: they have "
               "learnt too little to judge by",
               task.name, n, rows.size());
  }
  out.rejects = Json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (kept[i]) {
      out.kept.push_back(rows[i]);
    } else {
      out.rejects.push_back(
          {{"input", rows[i].input}, {"output", *rows[i].output}, {"answer", said[i]}});
    }
  }
  return out;
}

}  // namespace limbeck::pipeline

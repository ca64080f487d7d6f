#include "limbeck/distill/plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "limbeck/base/random.h"

namespace limbeck::distill {
namespace {

constexpr std::uint64_t kShuffleStream = 0x73687566;  // apart from the streams of random weights

std::int64_t length(const TrainRow& row) { return static_cast<std::int64_t>(row.tokens.size()); }

}  // namespace

std::vector<MicroBatch> cut(std::span<const TrainRow> rows, std::vector<std::uint32_t> chosen,
                            std::int64_t micro_tokens) {
  std::stable_sort(chosen.begin(), chosen.end(), [&](std::uint32_t a, std::uint32_t b) {
    return rows[a].tokens.size() > rows[b].tokens.size();
  });
  std::vector<MicroBatch> batches;
  std::int64_t filled = 0;
  for (const auto row : chosen) {
    if (batches.empty() || filled + length(rows[row]) > micro_tokens) {
      batches.emplace_back();
      filled = 0;
    }
    batches.back().rows.push_back(row);
    filled += length(rows[row]);
  }
  return batches;
}

std::vector<StepPlan> plan_steps(std::span<const TrainRow> rows, const TrainOptions& options) {
  std::vector<StepPlan> steps;
  if (rows.empty()) return steps;
  const auto limit =
      options.max_steps > 0 ? options.max_steps : std::numeric_limits<std::int64_t>::max();
  const auto enough = [&] { return static_cast<std::int64_t>(steps.size()) >= limit; };
  const auto epochs =
      options.max_steps > 0 ? std::numeric_limits<double>::infinity() : options.epochs;
  std::vector<std::uint32_t> order(rows.size());
  for (double epoch = 0; epoch < epochs && !enough(); ++epoch) {
    std::iota(order.begin(), order.end(), 0u);
    Random random(options.seed, kShuffleStream + static_cast<std::uint64_t>(epoch));
    shuffle(order, random);
    const double share = std::min(1.0, epochs - epoch);
    const auto used = static_cast<std::size_t>(std::ceil(share * static_cast<double>(rows.size())));
    std::vector<std::uint32_t> chosen;
    StepPlan step;
    const auto close = [&] {
      if (chosen.empty() || enough()) return;
      step.micro = cut(rows, std::move(chosen), options.micro_tokens);
      steps.push_back(std::move(step));
      chosen = {};
      step = {};
    };
    for (std::size_t i = 0; i < used && !enough(); ++i) {
      const TrainRow& row = rows[order[i]];
      if (step.tokens + length(row) > options.batch_tokens) close();
      chosen.push_back(order[i]);
      step.tokens += length(row);
      step.targets += length(row) - row.first_target;
    }
    close();
  }
  return steps;
}

std::vector<MicroBatch> share(std::span<const TrainRow> rows, const std::vector<MicroBatch>& micro,
                              std::int64_t micro_tokens, int rank, int ranks) {
  if (ranks == 1) return micro;
  std::vector<std::int64_t> filled(static_cast<std::size_t>(ranks));
  std::vector<std::uint32_t> own;
  for (const auto& batch : micro) {
    for (const auto row : batch.rows) {
      const auto least = std::min_element(filled.begin(), filled.end());
      *least += length(rows[row]);
      if (least - filled.begin() == rank) own.push_back(row);
    }
  }
  return cut(rows, std::move(own), micro_tokens);
}

std::vector<MicroBatch> plan_pass(std::span<const TrainRow> rows, std::int64_t micro_tokens) {
  std::vector<std::uint32_t> all(rows.size());
  std::iota(all.begin(), all.end(), 0u);
  return cut(rows, std::move(all), micro_tokens);
}

}  // namespace limbeck::distill

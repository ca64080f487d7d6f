#include "limbeck/quantize/statistics_source.h"

#include <algorithm>

#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/quantize/mixes.h"

namespace limbeck {

StatisticsSource::StatisticsSource(const Checkpoint& checkpoint, const CalibrationText& text,
                                   std::vector<std::pair<std::string, std::int64_t>> inputs,
                                   const Options& options, ThreadPool& pool)
    : checkpoint_(checkpoint),
      text_(text),
      inputs_(std::move(inputs)),
      options_(options),
      pool_(pool) {}

void StatisticsSource::gather(std::size_t first) {
  std::set<std::string, std::less<>> names;
  std::uint64_t bytes = 0;
  for (std::size_t i = first; i < inputs_.size(); ++i) {
    const auto& [name, columns] = inputs_[i];
    const auto n = static_cast<std::uint64_t>(columns);
    const bool other_layer = role_of(name).layer != role_of(inputs_[first].first).layer;
    if (i > first && options_.sequential && other_layer) break;
    if (i > first && bytes + n * n * sizeof(float) > options_.memory_bytes) break;
    bytes += n * n * sizeof(float);
    names.insert(name);
  }
  held_.clear();
  const Model model(checkpoint_);
  Progress progress("calibrate", text_.sequences.size(), "sequences");
  InputStatistics found =
      gather_statistics(model, text_.sequences, names, pool_, [&](std::size_t done) {
        stop_if_interrupted("run the same command again");
        progress.update(done);
      });
  held_ = std::move(found.hessians);
  if (!has_importance_) importance_ = std::move(found.importance);
  has_importance_ = true;
}

const Hessian* StatisticsSource::find(const std::string& input) {
  auto held = held_.find(input);
  if (held == held_.end()) {
    const auto at = std::ranges::find(inputs_, input, [](const auto& row) { return row.first; });
    if (at == inputs_.end()) return nullptr;
    gather(static_cast<std::size_t>(at - inputs_.begin()));
    held = held_.find(input);
  }
  return held == held_.end() ? nullptr : &held->second;
}

const Importance& StatisticsSource::importance() {
  if (!has_importance_) gather(inputs_.size());
  return importance_;
}

}  // namespace limbeck

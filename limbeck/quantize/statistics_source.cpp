#include "limbeck/quantize/statistics_source.h"

#include <algorithm>

#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"

namespace limbeck {

std::string input_of(const Architecture& architecture, std::string_view name) {
  const bool no_gate = !architecture.gated_ffn && role_of(name).role == Role::ffn_up;
  return no_gate ? std::string(name) : input_name(name);
}

bool has_input(const Architecture& architecture, const PlannedTensor& tensor) {
  const bool looked_up =
      role_of(tensor.name).role == Role::embedding && !architecture.tied_embeddings;
  return tensor.matrix && !looked_up;
}

StatisticsSource::StatisticsSource(const Checkpoint& checkpoint, const TokenSequences& sequences,
                                   const Plan& plan, const Options& options, ThreadPool& pool)
    : checkpoint_(checkpoint), sequences_(sequences), options_(options), pool_(pool) {
  for (const PlannedTensor& tensor : plan) {
    if (!has_input(checkpoint.architecture(), tensor)) continue;
    std::string input = input_of(checkpoint.architecture(), tensor.name);
    const bool known =
        std::ranges::any_of(inputs_, [&](const auto& row) { return row.first == input; });
    if (!known) inputs_.emplace_back(std::move(input), tensor.columns);
  }
}

std::optional<std::size_t> StatisticsSource::index_of(const std::string& input) const {
  const auto at = std::ranges::find(inputs_, input, [](const auto& row) { return row.first; });
  if (at == inputs_.end()) return std::nullopt;
  return static_cast<std::size_t>(at - inputs_.begin());
}

// One past the last input that is gathered with inputs_[first].
std::size_t StatisticsSource::group_end(std::size_t first) const {
  std::uint64_t bytes = 0;
  std::size_t i = first;
  for (; i < inputs_.size(); ++i) {
    const auto& [name, columns] = inputs_[i];
    const auto n = static_cast<std::uint64_t>(columns);
    const bool other_layer = role_of(name).layer != role_of(inputs_[first].first).layer;
    if (i > first && options_.sequential && other_layer) break;
    if (i > first && bytes + n * n * sizeof(float) > options_.moment_bytes) break;
    bytes += n * n * sizeof(float);
  }
  return i;
}

std::optional<std::size_t> StatisticsSource::group_of(const std::string& input) const {
  const auto index = index_of(input);
  if (!index) return std::nullopt;
  std::size_t first = 0;
  for (std::size_t end = group_end(0); end <= *index; end = group_end(end)) first = end;
  return first;
}

void StatisticsSource::gather(std::size_t first) {
  std::set<std::string, std::less<>> names;
  const std::int64_t layers = checkpoint_.architecture().layers;
  InputRange range{.first = layers, .last = 0};
  for (std::size_t i = first; i < group_end(first); ++i) {
    names.insert(inputs_[i].first);
    const std::int64_t layer = role_of(inputs_[i].first).layer;
    range.output = range.output || layer < 0;
    if (layer < 0) continue;
    range.first = std::min(range.first, layer);
    range.last = std::max(range.last, layer + 1);
  }
  held_.clear();
  range.stay = options_.sequential && range.first + 1 == range.last && !range.output;
  if (!range.stay) {
    LayeredForward once(checkpoint_, sequences_, pool_, layered());
    run(once, range, names);
    return;
  }
  if (!forward_ || forward_->layer() > range.first)
    forward_ = std::make_unique<LayeredForward>(checkpoint_, sequences_, pool_, layered());
  run(*forward_, range, names);
}

void StatisticsSource::run(LayeredForward& forward, const InputRange& range,
                           const std::set<std::string, std::less<>>& names) {
  const std::int64_t end = range.output ? checkpoint_.architecture().layers + 1 : range.last;
  Progress progress("calibrate",
                    static_cast<std::uint64_t>(end - forward.layer()) * sequences_.size(),
                    "sequences");
  done_ = 0;
  on_sequence_ = [&] {
    stop_if_interrupted("run the same command again");
    progress.update(++done_);
  };
  held_ = gather_statistics(forward, range, names, pool_).hessians;
  on_sequence_ = {};
}

LayeredOptions StatisticsSource::layered() {
  LayeredOptions options = options_.layered;
  options.on_sequence = [this] {
    if (on_sequence_) on_sequence_();
  };
  return options;
}

const Hessian* StatisticsSource::find(const std::string& input) {
  auto held = held_.find(input);
  if (held == held_.end()) {
    const auto at = index_of(input);
    if (!at) return nullptr;
    gather(*at);
    held = held_.find(input);
  }
  return held == held_.end() ? nullptr : &held->second;
}

}  // namespace limbeck

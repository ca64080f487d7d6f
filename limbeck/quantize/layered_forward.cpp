#include "limbeck/quantize/layered_forward.h"

#include <algorithm>
#include <utility>

#include "limbeck/base/mapped_file.h"
#include "limbeck/model/mixes.h"

namespace limbeck {
namespace {

constexpr std::size_t kPositions = 512;  // whose outputs are computed together, at most

std::vector<std::size_t> sizes_of(const TokenSequences& sequences, std::int64_t hidden) {
  std::vector<std::size_t> sizes;
  for (const auto& sequence : sequences)
    sizes.push_back(sequence.size() * static_cast<std::size_t>(hidden));
  return sizes;
}

// A part of a model, and a decoder that runs it over one sequence at a time.
class Part {
 public:
  Part(const Checkpoint& checkpoint, const TokenSequences& sequences, ModelPart part,
       ThreadPool& pool)
      : checkpoint_(checkpoint),
        part_(part),
        model_(checkpoint, {.threads = pool.size(), .part = part}),
        decoder_(model_, pool, {.context = longest(sequences)}) {}
  // Its pages of the files are let go.
  ~Part() {
    for (const TensorSpec& tensor : tensor_specs(checkpoint_.architecture())) {
      const std::int64_t layer = role_of(tensor.name).layer;
      const bool ours =
          layer < 0 ? part_.output || part_.first == 0 : layer >= part_.first && layer < part_.last;
      if (!ours) continue;
      if (const auto weight = checkpoint_.find(tensor.name)) release_mapped(weight->bytes);
    }
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  Decoder& decoder() noexcept { return decoder_; }

 private:
  static std::int64_t longest(const TokenSequences& sequences) {
    std::size_t most = 1;
    for (const auto& sequence : sequences) most = std::max(most, sequence.size());
    return static_cast<std::int64_t>(most);
  }

  const Checkpoint& checkpoint_;
  ModelPart part_;
  Model model_;
  Decoder decoder_;
};

}  // namespace

LayeredOptions layered_under(std::uint64_t max_memory, const std::filesystem::path& folder) {
  LayeredOptions options;
  if (max_memory > 0) options.memory_bytes = max_memory / 8;
  options.spill = folder.empty() ? "." : folder;
  return options;
}

LayeredForward::LayeredForward(const Checkpoint& checkpoint, const TokenSequences& sequences,
                               ThreadPool& pool, LayeredOptions options)
    : checkpoint_(checkpoint),
      sequences_(sequences),
      pool_(pool),
      options_(std::move(options)),
      streams_(sizes_of(sequences, checkpoint.architecture().hidden), options_.memory_bytes,
               options_.spill) {}

LayeredForward::LayeredForward(const LayeredForward& start, const Checkpoint& other)
    : LayeredForward(other, start.sequences_, start.pool_, start.options_) {
  layer_ = start.layer_;
  if (layer_ == 0) return;
  std::vector<float> stream;
  for (std::size_t i = 0; i < sequences_.size(); ++i) {
    start.streams_.load(i, stream);
    streams_.store(i, stream);
  }
}

void LayeredForward::run(std::int64_t layer, const ActivationTap& tap, bool keep) {
  Part part(checkpoint_, sequences_, {.first = layer, .last = layer + 1}, pool_);
  part.decoder().set_tap(tap);
  std::vector<float> stream;
  for (std::size_t i = 0; i < sequences_.size(); ++i) {
    streams_.load(i, stream);
    part.decoder().forward_layers(sequences_[i], layer, layer + 1, stream);
    if (keep) streams_.store(i, stream);
    if (options_.on_sequence) options_.on_sequence();
  }
}

void LayeredForward::advance(std::int64_t layer, const ActivationTap& tap) {
  for (; layer_ < layer; ++layer_) run(layer_, tap, true);
}

void LayeredForward::look(const ActivationTap& tap) { run(layer_, tap, false); }

// Positions [begin, end) of a sequence, as many at a time as the logits may take memory for.
std::vector<std::pair<std::size_t, std::size_t>> LayeredForward::pieces(std::size_t tokens) const {
  const auto row = static_cast<std::uint64_t>(checkpoint_.architecture().vocab_size) * 4;
  const std::size_t most = std::clamp<std::size_t>(options_.memory_bytes / 2 / row, 1, kPositions);
  std::vector<std::pair<std::size_t, std::size_t>> all;
  for (std::size_t i = 0; i < tokens; i += most) all.emplace_back(i, std::min(tokens, i + most));
  return all;
}

void LayeredForward::look_output(const ActivationTap& tap) {
  Part part(checkpoint_, sequences_, {.output = true}, pool_);
  part.decoder().set_tap(tap);
  std::vector<float> stream;
  for (std::size_t i = 0; i < sequences_.size(); ++i) {
    streams_.load(i, stream);
    part.decoder().tap_output(stream);
    if (options_.on_sequence) options_.on_sequence();
  }
}

void LayeredForward::outputs(
    const std::function<void(std::size_t, std::size_t, std::span<const float>)>& see) {
  Part part(checkpoint_, sequences_, {.output = true}, pool_);
  const auto hidden = static_cast<std::size_t>(checkpoint_.architecture().hidden);
  std::vector<float> stream;
  for (std::size_t i = 0; i < sequences_.size(); ++i) {
    streams_.load(i, stream);
    for (const auto& [begin, end] : pieces(sequences_[i].size()))
      see(i, begin,
          part.decoder().forward_output(
              std::span(stream).subspan(begin * hidden, (end - begin) * hidden)));
  }
}

void LayeredForward::compare_outputs(LayeredForward& a, LayeredForward& b, const SeeLogits& see) {
  Part one(a.checkpoint_, a.sequences_, {.output = true}, a.pool_);
  Part other(b.checkpoint_, b.sequences_, {.output = true}, b.pool_);
  const auto of = [](const LayeredForward& forward) {
    return static_cast<std::size_t>(forward.checkpoint_.architecture().hidden);
  };
  std::vector<float> mine, theirs;
  for (std::size_t i = 0; i < a.sequences_.size(); ++i) {
    a.streams_.load(i, mine);
    b.streams_.load(i, theirs);
    for (const auto& [begin, end] : a.pieces(a.sequences_[i].size())) {
      const std::size_t n = end - begin;
      see(i, begin, one.decoder().forward_output(std::span(mine).subspan(begin * of(a), n * of(a))),
          other.decoder().forward_output(std::span(theirs).subspan(begin * of(b), n * of(b))));
    }
  }
}

}  // namespace limbeck

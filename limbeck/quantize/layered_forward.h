// The forward pass of many sequences with the weights of one layer in memory at a time: one pass
// over the model, and all that a model larger than memory allows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "limbeck/base/thread_pool.h"
#include "limbeck/quantize/residual_streams.h"
#include "limbeck/runtime/model.h"

namespace limbeck {

using TokenSequences = std::vector<std::vector<TokenId>>;

struct LayeredOptions {
  std::uint64_t memory_bytes = std::uint64_t{1} << 30;  // for the streams, and for logits
  std::filesystem::path spill = {};        // folder of the file for streams beyond that; empty: the
                                           // system's for temporary files
  std::function<void()> on_sequence = {};  // called when a layer has run over one
};

// What is left for it of `max_memory` bytes (0: no ceiling) of a program that also holds a layer
// and what the solver works with.
LayeredOptions layered_under(std::uint64_t max_memory, const std::filesystem::path& folder);

class LayeredForward {
 public:
  // Everything referred to must outlive this. Each layer is read when it is run: what
  // Checkpoint::replace changed before counts. Throws as Model and Decoder, Error{io} on a full
  // disk.
  LayeredForward(const Checkpoint& checkpoint, const TokenSequences& sequences, ThreadPool& pool,
                 LayeredOptions options = {});
  // From where `start` is, on the same sequences, with another model of its shape.
  LayeredForward(const LayeredForward& start, const Checkpoint& other);

  // The streams are those before this layer; the number of layers: at the end.
  std::int64_t layer() const noexcept { return layer_; }
  const Checkpoint& checkpoint() const noexcept { return checkpoint_; }
  const TokenSequences& sequences() const noexcept { return sequences_; }
  // Through the layers up to `layer`, which is not before where the streams are. `tap` sees the
  // layers' inputs.
  void advance(std::int64_t layer, const ActivationTap& tap = {});
  void finish() { advance(checkpoint_.architecture().layers); }
  // Through the next layer for its inputs alone: the streams stay.
  void look(const ActivationTap& tap);

  // At the end. The output's input of every position; and logits, given piece by piece in order:
  // [n, vocab] of positions [first, first + n) of a sequence. Both models' pieces are the same.
  void look_output(const ActivationTap& tap);
  void outputs(const std::function<void(std::size_t sequence, std::size_t first,
                                        std::span<const float> logits)>& see);
  using SeeLogits = std::function<void(std::size_t sequence, std::size_t first,
                                       std::span<const float> a, std::span<const float> b)>;
  static void compare_outputs(LayeredForward& a, LayeredForward& b, const SeeLogits& see);

 private:
  void run(std::int64_t layer, const ActivationTap& tap, bool keep);
  std::vector<std::pair<std::size_t, std::size_t>> pieces(std::size_t tokens) const;

  const Checkpoint& checkpoint_;
  const TokenSequences& sequences_;
  ThreadPool& pool_;
  LayeredOptions options_;
  ResidualStreams streams_;
  std::int64_t layer_ = 0;
};

}  // namespace limbeck

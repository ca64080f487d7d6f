// A model ready to run: weights as views of the file, one decoder for every family.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "limbeck/base/thread_pool.h"
#include "limbeck/model/checkpoint.h"

namespace limbeck {

// Layers [first, last) of a model, and its output.
struct ModelPart {
  std::int64_t first = 0, last = 0;
  bool output = false;
};

struct ModelOptions {
  // Quantized weights are re-laid once for the kernels, in memory of their own: about the size of
  // the file. Otherwise on the fly from the mapped file: less memory, several times slower.
  bool repack = true;
  int threads = 0;  // that re-lay; 0: one per core
  // Nothing but this is there to be run, by Decoder::forward_layers and forward_output.
  std::optional<ModelPart> part = {};
};

class Model {
 public:
  // The checkpoint must outlive the model. Throws Error{unsupported} on a tensor type it cannot
  // multiply, Error{io} if memory does not suffice or the file was cut short meanwhile.
  explicit Model(const Checkpoint& checkpoint, const ModelOptions& options = {});
  ~Model();
  Model(Model&&) noexcept;

  const Architecture& architecture() const noexcept;
  const Checkpoint& checkpoint() const noexcept;
  std::size_t memory_bytes() const noexcept;  // beyond the mapped file

  struct Impl;
  const Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Tokens to be run in one forward pass. Tokens of one sequence are in order; positions continue
// what the cache holds of that sequence.
struct Batch {
  struct Item {
    TokenId token;
    std::int32_t sequence;  // in [0, n_sequences)
    bool want_logits;
  };
  std::vector<Item> items;
};

struct DecoderOptions {
  std::int64_t context =
      0;  // positions a sequence can hold; 0: the model's. More than the model's: Error{usage}
  int n_sequences = 1;  // sequences held at once
  // Lets `context` pass the model's own where positions are rotations: some files understate it.
  // Beyond what a model was trained on its answers get worse.
  bool beyond = false;
  // Keys and values are kept as f32; f16: half the memory, rounded to 11 bits; or q8_0: 27 % of it,
  // 8 bits and a scale to 32 dimensions.
  TensorType cache = TensorType::f32;
  std::size_t batch = 512;  // items run together; more are run in turns. Same results
};

// Sees the input of each linear layer: `name` the canonical weight name ("blk.0.attn_q.weight";
// q, k and v share an input and come once, as attn_q; gate and up as ffn_gate), x [n, columns]
// row-major.
using ActivationTap =
    std::function<void(std::string_view name, std::span<const float> x, std::int64_t columns)>;

// The key-value cache of some sequences and the forward pass over it. Not thread-safe; uses the
// pool. Results do not depend on the number of threads.
class Decoder {
 public:
  // Throws Error{usage} on bad options, Error{io} if memory does not suffice.
  Decoder(const Model& model, ThreadPool& pool, const DecoderOptions& options = {});
  ~Decoder();
  Decoder(Decoder&&) noexcept;

  // Logits [n_wanted, vocab] float32 of the items that want them, in order; valid until the next
  // call. Throws Error{usage} on an id outside the vocabulary or a sequence that would exceed the
  // context, Error{io} if the model's file was cut short meanwhile.
  std::span<const float> forward(const Batch& batch);
  // One sequence: runs `tokens`, logits of the last or of all. [n, vocab]
  std::span<const float> forward(std::span<const TokenId> tokens, bool all_logits,
                                 std::int32_t sequence = 0);
  // Layers [first, last) alone over one sequence from its start, which is all that sequence 0 holds
  // then. `residual` [tokens.size(), hidden]: the residual stream before `first` (not looked at
  // where that is 0: it begins with the tokens), and on return the one before `last`. Throws as
  // forward.
  void forward_layers(std::span<const TokenId> tokens, std::int64_t first, std::int64_t last,
                      std::span<float> residual);
  // The output alone: logits [n, vocab] of `residual` [n, hidden], the streams after the last
  // layer; valid until the next call. Throws as forward.
  std::span<const float> forward_output(std::span<const float> residual);
  // The tap alone sees the output's input of `residual`.
  void tap_output(std::span<const float> residual);
  // Final hidden states after the output norm [n, hidden] of the last forward's wanted items.
  std::span<const float> hidden() const noexcept;

  std::int64_t length(std::int32_t sequence = 0) const;       // positions held
  void truncate(std::int32_t sequence, std::int64_t length);  // forget positions from `length` on
  void copy(std::int32_t from, std::int32_t to);              // share a prefix
  std::int64_t context() const noexcept;
  std::size_t memory_bytes() const noexcept;  // cache that positions have used, and scratch
  void set_tap(ActivationTap tap);            // empty: off

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace limbeck

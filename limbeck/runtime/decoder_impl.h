// What a decoder holds, and the steps of its forward pass. Of decoder.cpp and forward_pass.cpp
// alone.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "limbeck/runtime/attention.h"
#include "limbeck/runtime/cache.h"
#include "limbeck/runtime/model.h"
#include "limbeck/runtime/norm.h"
#include "limbeck/runtime/parallel.h"
#include "limbeck/runtime/weights.h"

namespace limbeck {

struct Decoder::Impl {
  Impl(const Model& m, ThreadPool& p, const DecoderOptions& options);

  void check(const Batch& batch) const;
  std::size_t at_once() const noexcept;  // items of a forward
  void run_chunk(std::span<const Batch::Item> items, std::size_t& n_logits);
  void layer(std::size_t i);
  void embed(std::span<const Batch::Item> items);
  void attention(std::size_t i);
  void rotate_and_store(std::size_t i);
  void feed_forward(std::size_t i);
  void output_input(std::span<const std::size_t> wanted);
  void logits_of(std::span<const std::size_t> wanted, std::size_t& n_logits);
  std::vector<std::size_t> take_residual(std::span<const float> residual);

  // rows <- norm(x) in the forms that `layers` need; then the tap, which sees `layers`' input.
  void normed(const Norm& norm, std::span<const Linear* const> layers, Rows& rows);
  void formed(std::span<const Linear* const> layers, Rows& rows);
  void each_row(std::size_t n, const std::function<void(std::size_t)>& row) {
    run_if_worth(pool, n, n * hidden * 8, row);
  }

  const Model& model;
  const Model::Impl& weights;
  const Architecture& a;
  ThreadPool& pool;
  const KernelTable& kernel;
  const std::size_t context, n_sequences, chunk, hidden, q_size, kv_size;
  const Cache::Shape cache_shape;
  Cache cache;
  std::vector<std::size_t> most;     // [n_sequences] positions that take memory
  std::vector<std::size_t> lengths;  // [n_sequences]
  ActivationTap tap;

  // Of the chunk being run. x is the residual stream; `in` a layer's input, `ffn` its second one.
  std::vector<Place> places;
  std::array<RopeTable, 2> rope;                  // of full and of sliding layers
  std::array<std::vector<Rotation>, 2> rotation;  // [chunk] each
  Rows x, in, attended, ffn;
  std::vector<float> q, k, v, attention_out, up, ffn_out;
  // Of the wanted items of a forward.
  std::vector<float> final_hidden, logits;
  std::size_t n_wanted = 0;
};

}  // namespace limbeck

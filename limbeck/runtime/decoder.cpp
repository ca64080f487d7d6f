// The forward pass, the same for every family: what differs is in the Architecture.
#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include "limbeck/base/error.h"
#include "limbeck/base/mapped_file.h"
#include "limbeck/runtime/attention.h"
#include "limbeck/runtime/cache.h"
#include "limbeck/runtime/norm.h"
#include "limbeck/runtime/parallel.h"
#include "limbeck/runtime/weights.h"

namespace limbeck {
namespace {

std::size_t size(std::int64_t value) noexcept { return static_cast<std::size_t>(value); }

std::int64_t checked_context(const Architecture& a, const DecoderOptions& options) {
  if (options.n_sequences < 1) fail(ErrorKind::usage, "a decoder needs at least one sequence");
  const bool beyond = options.beyond && a.positions == Positions::rope;
  if (options.context < 0 || (options.context > a.context_length && !beyond)) {
    fail(ErrorKind::usage, "a context of {} positions: the model has {}", options.context,
         a.context_length);
  }
  return options.context > 0 ? options.context : a.context_length;
}

}  // namespace

struct Decoder::Impl {
  Impl(const Model& m, ThreadPool& p, const DecoderOptions& options);

  void check(const Batch& batch) const;
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

Decoder::Impl::Impl(const Model& m, ThreadPool& p, const DecoderOptions& options)
    : model(m),
      weights(m.impl()),
      a(m.architecture()),
      pool(p),
      kernel(kernels()),
      context(size(checked_context(a, options))),
      n_sequences(static_cast<std::size_t>(options.n_sequences)),
      chunk(std::max<std::size_t>(options.batch, 1)),
      hidden(size(a.hidden)),
      q_size(size(a.heads * a.head_dim)),
      kv_size(size(a.kv_heads * a.head_dim)),
      cache_shape{size(a.layers), n_sequences,      size(a.kv_heads),
                  context,        size(a.head_dim), options.cache},
      cache(cache_shape),
      most(n_sequences),
      lengths(n_sequences) {
  for (std::int64_t i = 0; i < a.layers; ++i) {
    auto& table = rope[a.slides(i)];
    if (table.frequencies.empty()) table = rope_table(a, i, static_cast<std::int64_t>(context));
  }
}

void Decoder::Impl::check(const Batch& batch) const {
  std::vector<std::size_t> after = lengths;
  for (const Batch::Item& item : batch.items) {
    if (item.token < 0 || item.token >= a.vocab_size) {
      fail(ErrorKind::usage, "token id {} is outside the vocabulary of {}", item.token,
           a.vocab_size);
    }
    if (item.sequence < 0 || static_cast<std::size_t>(item.sequence) >= n_sequences) {
      fail(ErrorKind::usage, "sequence {}: this decoder holds {}", item.sequence, n_sequences);
    }
    if (++after[static_cast<std::size_t>(item.sequence)] > context) {
      fail_try(ErrorKind::usage, "a shorter prompt, or fewer tokens to generate",
               "the sequence would be longer than the context of {} positions", context);
    }
  }
}

void Decoder::Impl::embed(std::span<const Batch::Item> items) {
  x.resize(items.size(), hidden);
  places.clear();
  for (const Batch::Item& item : items) {
    const auto sequence = static_cast<std::size_t>(item.sequence);
    places.push_back({sequence, lengths[sequence]++});
    most[sequence] = std::max(most[sequence], lengths[sequence]);
  }
  for (std::size_t kind = 0; kind < 2; ++kind) {
    rotation[kind].clear();
    if (rope[kind].frequencies.empty()) continue;
    for (const Place& place : places)
      rotation[kind].push_back(rotation_at(rope[kind], place.position));
  }
  const auto scale = static_cast<float>(a.embedding_scale);
  each_row(items.size(), [&](std::size_t i) {
    const std::span<float> row(x.row(i), hidden);
    embedding_row(weights.embedding, items[i].token, row);
    if (scale != 1) {
      for (float& value : row) value *= scale;
    }
    if (!weights.positions) return;
    std::vector<float> position(hidden);
    embedding_row(*weights.positions, static_cast<std::int64_t>(places[i].position), position);
    for (std::size_t j = 0; j < hidden; ++j) row[j] += position[j];
  });
}

void Decoder::Impl::formed(std::span<const Linear* const> layers, Rows& rows) {
  if (tap) tap(layers[0]->name, rows.floats(), static_cast<std::int64_t>(rows.columns()));
  each_row(rows.n(), [&](std::size_t i) { rows.make_forms(kernel, i); });
}

void Decoder::Impl::normed(const Norm& norm, std::span<const Linear* const> layers, Rows& rows) {
  rows.resize(x.n(), hidden, forms_of(layers));
  each_row(x.n(), [&](std::size_t i) {
    apply_norm(kernel, norm, a.norm, a.norm_epsilon, {x.row(i), hidden}, {rows.row(i), hidden});
    if (!tap) rows.make_forms(kernel, i);
  });
  if (tap) formed(layers, rows);
}

void Decoder::Impl::rotate_and_store(std::size_t i) {
  const Layer& layer = weights.layers[i];
  const bool slides = a.slides(static_cast<std::int64_t>(i));
  const std::size_t dim = size(a.head_dim);
  each_row(x.n(), [&](std::size_t r) {
    const std::span<float> qs(q.data() + r * q_size, q_size), ks(k.data() + r * kv_size, kv_size);
    const auto norm_heads = [&](const Norm& norm, std::span<float> heads) {
      if (norm.weight.empty()) return;
      for (std::size_t h = 0; h < heads.size(); h += dim) {
        const auto head = heads.subspan(h, dim);
        apply_norm(kernel, norm, a.norm, a.norm_epsilon, head, head);
      }
    };
    norm_heads(layer.q_norm, qs);
    norm_heads(layer.k_norm, ks);
    if (!rotation[slides].empty()) {
      rotate(rotation[slides][r], a.rope_style, qs, dim);
      rotate(rotation[slides][r], a.rope_style, ks, dim);
    }
    const auto [sequence, position] = places[r];
    for (std::size_t h = 0; h < size(a.kv_heads); ++h) {
      cache.store(kernel, i, sequence, h, position, ks.data() + h * dim,
                  v.data() + r * kv_size + h * dim);
    }
  });
}

// attention_out = output projection of attention over norm(x).
void Decoder::Impl::attention(std::size_t i) {
  const Layer& layer = weights.layers[i];
  const std::size_t n = x.n();
  const std::array<const Linear*, 3> qkv{&layer.q, &layer.k, &layer.v};
  normed(layer.attention_norm, qkv, in);
  q.resize(n * q_size);
  k.resize(n * kv_size);
  v.resize(n * kv_size);
  multiply(pool, kernel, qkv, in, std::array{q.data(), k.data(), v.data()});
  rotate_and_store(i);
  const std::array<const Linear*, 1> output{&layer.attention_output};
  attended.resize(n, q_size, forms_of(output));
  const AttentionShape shape{
      .heads = size(a.heads),
      .kv_heads = size(a.kv_heads),
      .head_dim = size(a.head_dim),
      .scale = static_cast<float>(a.attention_scale),
      .soft_cap = static_cast<float>(a.attention_softcap),
      .window = a.slides(static_cast<std::int64_t>(i)) ? size(a.sliding_window) : 0};
  attend(pool, kernel, shape, cache, i, places, q.data(), attended.row(0));
  formed(output, attended);
  attention_out.resize(n * hidden);
  multiply(pool, kernel, output, attended, std::array{attention_out.data()});
}

// ffn_out = the feed-forward of norm(x).
void Decoder::Impl::feed_forward(std::size_t i) {
  const Layer& layer = weights.layers[i];
  const std::size_t n = x.n(), width = size(a.ffn);
  const std::array<const Linear*, 1> down{&layer.down};
  ffn.resize(n, width, forms_of(down));
  if (a.gated_ffn) {
    const std::array<const Linear*, 2> both{&layer.gate, &layer.up};
    normed(layer.ffn_norm, both, in);
    up.resize(n * width);
    multiply(pool, kernel, both, in, std::array{ffn.row(0), up.data()});
  } else {
    const std::array<const Linear*, 1> one{&layer.up};
    normed(layer.ffn_norm, one, in);
    multiply(pool, kernel, one, in, std::array{ffn.row(0)});
  }
  each_row(n, [&](std::size_t r) {
    const std::span<const float> ups = a.gated_ffn
                                           ? std::span<const float>(up.data() + r * width, width)
                                           : std::span<const float>();
    activate(kernel, a.activation, {ffn.row(r), width}, ups);
    if (!tap) ffn.make_forms(kernel, r);
  });
  if (tap) formed(down, ffn);
  ffn_out.resize(n * hidden);
  multiply(pool, kernel, down, ffn, std::array{ffn_out.data()});
}

void Decoder::Impl::layer(std::size_t i) {
  const auto add = [&](const Norm& post, std::vector<float>& part) {
    each_row(x.n(), [&](std::size_t r) {
      const std::span<float> values(part.data() + r * hidden, hidden);
      apply_norm(kernel, post, a.norm, a.norm_epsilon, values, values);
      float* to = x.row(r);
      for (std::size_t j = 0; j < hidden; ++j) to[j] += values[j];
    });
  };
  attention(i);
  if (!a.parallel_residual) add(weights.layers[i].post_attention_norm, attention_out);
  feed_forward(i);
  if (a.parallel_residual) add(weights.layers[i].post_attention_norm, attention_out);
  add(weights.layers[i].post_ffn_norm, ffn_out);
}

void Decoder::Impl::run_chunk(std::span<const Batch::Item> items, std::size_t& n_logits) {
  embed(items);
  for (std::size_t i = 0; i < weights.layers.size(); ++i) layer(i);
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].want_logits) wanted.push_back(i);
  }
  if (!wanted.empty()) logits_of(wanted, n_logits);
}

// in <- the output's norm of those rows of x.
void Decoder::Impl::output_input(std::span<const std::size_t> wanted) {
  const std::array<const Linear*, 1> output{&weights.output};
  in.resize(wanted.size(), hidden, forms_of(output));
  each_row(wanted.size(), [&](std::size_t i) {
    apply_norm(kernel, weights.output_norm, a.norm, a.norm_epsilon, {x.row(wanted[i]), hidden},
               {in.row(i), hidden});
  });
}

// x <- `residual`; the places of its rows.
std::vector<std::size_t> Decoder::Impl::take_residual(std::span<const float> residual) {
  std::vector<std::size_t> rows(residual.size() / hidden);
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  x.resize(rows.size(), hidden);
  std::ranges::copy(residual, x.row(0));
  return rows;
}

void Decoder::Impl::logits_of(std::span<const std::size_t> wanted, std::size_t& n_logits) {
  const std::array<const Linear*, 1> output{&weights.output};
  output_input(wanted);
  std::ranges::copy(in.floats(),
                    final_hidden.begin() + static_cast<std::ptrdiff_t>(n_logits * hidden));
  formed(output, in);
  const std::size_t vocab = size(a.vocab_size);
  float* to = logits.data() + n_logits * vocab;
  multiply(pool, kernel, output, in, std::array{to});
  if (a.logit_softcap > 0) {
    each_row(wanted.size(), [&](std::size_t i) {
      kernel.soft_cap(to + i * vocab, vocab, static_cast<float>(a.logit_softcap));
    });
  }
  n_logits += wanted.size();
}

Decoder::Decoder(const Model& model, ThreadPool& pool, const DecoderOptions& options)
    : impl_(std::make_unique<Impl>(model, pool, options)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;

std::span<const float> Decoder::forward(const Batch& batch) {
  Impl& d = *impl_;
  d.check(batch);
  d.n_wanted = static_cast<std::size_t>(
      std::ranges::count_if(batch.items, [](const Batch::Item& item) { return item.want_logits; }));
  const std::size_t vocab = size(d.a.vocab_size);
  d.logits.resize(d.n_wanted * vocab);
  d.final_hidden.resize(d.n_wanted * d.hidden);
  std::size_t done = 0;
  for (std::size_t i = 0; i < batch.items.size(); i += d.chunk) {
    const std::size_t n = std::min(d.chunk, batch.items.size() - i);
    d.run_chunk(std::span(batch.items).subspan(i, n), done);
  }
  check_mapped_files();
  return {d.logits.data(), d.n_wanted * vocab};
}

std::span<const float> Decoder::forward(std::span<const TokenId> tokens, bool all_logits,
                                        std::int32_t sequence) {
  Batch batch;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    batch.items.push_back({tokens[i], sequence, all_logits || i + 1 == tokens.size()});
  }
  return forward(batch);
}

void Decoder::forward_layers(std::span<const TokenId> tokens, std::int64_t first, std::int64_t last,
                             std::span<float> residual) {
  Impl& d = *impl_;
  truncate(0, 0);
  Batch batch;
  for (const TokenId token : tokens) batch.items.push_back({token, 0, false});
  d.check(batch);
  for (std::size_t i = 0; i < batch.items.size(); i += d.chunk) {
    const std::size_t n = std::min(d.chunk, batch.items.size() - i);
    d.embed(std::span(batch.items).subspan(i, n));
    float* stream = residual.data() + i * d.hidden;
    if (first > 0) std::copy_n(stream, n * d.hidden, d.x.row(0));
    for (std::int64_t j = first; j < last; ++j) d.layer(size(j));
    std::copy_n(d.x.row(0), n * d.hidden, stream);
  }
  check_mapped_files();
}

std::span<const float> Decoder::forward_output(std::span<const float> residual) {
  Impl& d = *impl_;
  const std::vector<std::size_t> rows = d.take_residual(residual);
  d.n_wanted = rows.size();
  d.logits.resize(d.n_wanted * size(d.a.vocab_size));
  d.final_hidden.resize(d.n_wanted * d.hidden);
  std::size_t done = 0;
  d.logits_of(rows, done);
  check_mapped_files();
  return {d.logits.data(), d.logits.size()};
}

void Decoder::tap_output(std::span<const float> residual) {
  Impl& d = *impl_;
  d.output_input(d.take_residual(residual));
  if (d.tap) d.tap(d.weights.output.name, d.in.floats(), static_cast<std::int64_t>(d.in.columns()));
}

std::span<const float> Decoder::hidden() const noexcept { return impl_->final_hidden; }

std::int64_t Decoder::length(std::int32_t sequence) const {
  return static_cast<std::int64_t>(impl_->lengths.at(static_cast<std::size_t>(sequence)));
}

void Decoder::truncate(std::int32_t sequence, std::int64_t length) {
  std::size_t& held = impl_->lengths.at(static_cast<std::size_t>(sequence));
  if (length < 0 || size(length) > held) {
    fail(ErrorKind::usage, "cannot cut a sequence of {} positions to {}", held, length);
  }
  held = size(length);
  // What was long is given back; a short sequence would be written again at once.
  constexpr std::size_t kKept = 1024;
  std::size_t& most = impl_->most[static_cast<std::size_t>(sequence)];
  if (most > held + kKept) {
    impl_->cache.release(static_cast<std::size_t>(sequence), held, most);
    most = held;
  }
}

void Decoder::copy(std::int32_t from, std::int32_t to) {
  const std::size_t length = impl_->lengths.at(static_cast<std::size_t>(from));
  impl_->lengths.at(static_cast<std::size_t>(to)) = length;
  if (from == to) return;
  std::size_t& most = impl_->most[static_cast<std::size_t>(to)];
  most = std::max(most, length);
  impl_->cache.copy(static_cast<std::size_t>(from), static_cast<std::size_t>(to), length);
}

std::int64_t Decoder::context() const noexcept { return static_cast<std::int64_t>(impl_->context); }

std::size_t Decoder::memory_bytes() const noexcept {
  const Impl& d = *impl_;
  const std::size_t floats = d.q.capacity() + d.k.capacity() + d.v.capacity() +
                             d.attention_out.capacity() + d.up.capacity() + d.ffn_out.capacity() +
                             d.logits.capacity() + d.final_hidden.capacity();
  std::size_t cache = 0;
  Cache::Shape one = d.cache_shape;
  one.sequences = 1;
  for (const std::size_t positions : d.most) cache += Cache::bytes(one, positions);
  return cache + floats * sizeof(float) + d.x.memory_bytes() + d.in.memory_bytes() +
         d.attended.memory_bytes() + d.ffn.memory_bytes();
}

void Decoder::set_tap(ActivationTap tap) { impl_->tap = std::move(tap); }

}  // namespace limbeck

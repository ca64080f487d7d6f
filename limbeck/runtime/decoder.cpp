#include <algorithm>
#include <string>

#include "limbeck/base/error.h"
#include "limbeck/base/mapped_file.h"
#include "limbeck/runtime/decoder_impl.h"
#include "limbeck/runtime/memory.h"
#include "limbeck/runtime/model.h"

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

Decoder::Decoder(const Model& model, ThreadPool& pool, const DecoderOptions& options)
    : impl_(std::make_unique<Impl>(model, pool, options)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;

// A tap sees the pieces that were asked for; weights that are re-laid on the way cost that each
// time.
std::size_t Decoder::Impl::at_once() const noexcept {
  const bool relaid = !weights.layers.empty() && !weights.layers.front().down.packed.empty();
  return tap || !relaid ? chunk : items_at_once(a, chunk);
}

std::span<const float> Decoder::forward(const Batch& batch) {
  Impl& d = *impl_;
  d.check(batch);
  d.n_wanted = static_cast<std::size_t>(
      std::ranges::count_if(batch.items, [](const Batch::Item& item) { return item.want_logits; }));
  const std::size_t vocab = size(d.a.vocab_size);
  d.logits.resize(d.n_wanted * vocab);
  d.final_hidden.resize(d.n_wanted * d.hidden);
  std::size_t done = 0;
  const std::size_t at_once = d.at_once();
  for (std::size_t i = 0; i < batch.items.size(); i += at_once) {
    const std::size_t n = std::min(at_once, batch.items.size() - i);
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

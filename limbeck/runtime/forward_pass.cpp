// The forward pass, the same for every family: what differs is in the Architecture.
#include <algorithm>
#include <array>
#include <numeric>

#include "limbeck/runtime/decoder_impl.h"

namespace limbeck {
namespace {

std::size_t size(std::int64_t value) noexcept { return static_cast<std::size_t>(value); }

}  // namespace

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

}  // namespace limbeck

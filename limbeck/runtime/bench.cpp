#include "limbeck/runtime/bench.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <numeric>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/page_buffer.h"
#include "limbeck/base/random.h"
#include "limbeck/base/resident.h"
#include "limbeck/runtime/weights.h"

namespace limbeck {
namespace {

double seconds_of(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Rate rate_of(std::int64_t tokens, std::vector<double> seconds) {
  std::ranges::sort(seconds);
  const auto rate = [&](double s) { return static_cast<double>(tokens) / s; };
  const std::size_t n = seconds.size();
  const double median = (seconds[(n - 1) / 2] + seconds[n / 2]) / 2;
  return {rate(median), rate(seconds.back()), rate(seconds.front())};
}

}  // namespace

double measure_read_bandwidth(ThreadPool& pool, std::size_t bytes) {
  constexpr std::size_t kWords = 64, kAhead = 512;  // 512 bytes a round, 4 kB asked for ahead
  const std::size_t n = bytes / sizeof(std::uint64_t) / kWords * kWords;
  const PageBuffer memory(n * sizeof(std::uint64_t));
  auto* words = reinterpret_cast<std::uint64_t*>(memory.bytes().data());
  constexpr std::size_t kGrain = 1u << 15;
  pool.run_ranges(n, kGrain, [&](std::size_t begin, std::size_t end) {
    std::iota(words + begin, words + end, begin);  // pages of its own, not the shared zero page
  });
  std::atomic<std::uint64_t> sink{0};
  double best = 0;
  for (int pass = 0; pass < 6; ++pass) {
    const double seconds = seconds_of([&] {
      pool.run_ranges(n, kGrain, [&](std::size_t begin, std::size_t end) {
        std::uint64_t sums[kWords] = {};
        for (std::size_t i = begin; i < end; i += kWords) {
          for (std::size_t j = 0; j < kWords; j += 8) __builtin_prefetch(words + i + kAhead + j);
          for (std::size_t j = 0; j < kWords; ++j) sums[j] ^= words[i + j];
        }
        sink += std::accumulate(std::begin(sums), std::end(sums), std::uint64_t{0});
      });
    });
    best = std::max(best, static_cast<double>(n * sizeof(std::uint64_t)) / seconds);
  }
  return best;
}

namespace {

// Multiply-adds/s of a loop that does nothing else, on all threads.
double measure_products(ThreadPool& pool, std::uint64_t (*products)(std::uint64_t) noexcept) {
  const auto threads = static_cast<std::size_t>(pool.size());
  double best = 0;
  for (std::uint64_t rounds = 1000; best == 0; rounds *= 4) {
    std::atomic<std::uint64_t> done{0};
    const double seconds =
        seconds_of([&] { pool.run(threads, [&](std::size_t) { done += products(rounds); }); });
    if (seconds > 0.05) best = static_cast<double>(done.load()) / seconds;
  }
  return best;
}

}  // namespace

double measure_int8_products(ThreadPool& pool) {
  return measure_products(pool, kernels().int8_products);
}
double measure_tile_products(ThreadPool& pool) {
  return kernels().tile_products ? measure_products(pool, kernels().tile_products) : 0;
}
double measure_float_products(ThreadPool& pool) {
  return measure_products(pool, kernels().float_products);
}
double measure_bf16_products(ThreadPool& pool) {
  return measure_products(pool, kernels().bf16_products);
}

DecoderOptions decoder_options_of(const Architecture& a, const BenchOptions& options) {
  DecoderOptions decoder;
  decoder.context = std::min(std::max(options.prompt, options.generation + 1), a.context_length);
  decoder.cache = options.cache;
  return decoder;
}

BenchResult bench(const Model& model, ThreadPool& pool, const BenchOptions& options) {
  const Architecture& a = model.architecture();
  BenchResult result;
  result.prompt_tokens = std::min(options.prompt, a.context_length);
  result.generation_tokens = std::min(options.generation, a.context_length - 1);
  if (result.prompt_tokens < 1 || result.generation_tokens < 1) {
    fail(ErrorKind::usage, "a context of {} is too short to measure", a.context_length);
  }
  Decoder decoder(model, pool, decoder_options_of(a, options));
  Random random(options.seed);
  std::vector<TokenId> ids;
  for (std::int64_t i = 0; i < std::max(result.prompt_tokens, result.generation_tokens + 1); ++i) {
    ids.push_back(static_cast<TokenId>(random.below(static_cast<std::uint64_t>(a.vocab_size))));
  }
  std::vector<double> prompt, generation;
  for (int i = -1; i < options.repetitions; ++i) {  // the first warms up
    stop_if_interrupted("the measurement");
    decoder.truncate(0, 0);
    const double p = seconds_of([&] {
      decoder.forward(std::span(ids).first(static_cast<std::size_t>(result.prompt_tokens)), false);
    });
    decoder.truncate(0, 0);
    decoder.forward(std::span(ids).first(1), false);
    const double g = seconds_of([&] {
      for (std::int64_t t = 1; t <= result.generation_tokens; ++t) {
        decoder.forward(std::array{ids[static_cast<std::size_t>(t)]}, false);
      }
    });
    if (i < 0) continue;
    prompt.push_back(p);
    generation.push_back(g);
  }
  result.peak_bytes = peak_resident_bytes();
  result.prompt = rate_of(result.prompt_tokens, prompt);
  result.generation = rate_of(result.generation_tokens, generation);
  result.int8_products = measure_int8_products(pool);
  result.tile_products = measure_tile_products(pool);
  result.float_products = measure_float_products(pool);
  result.bf16_products = measure_bf16_products(pool);
  const auto products_of = [&](const Linear& linear, double int8) {
    if (linear.weight.type == TensorType::bf16) return result.bf16_products;
    return linear.layout ? int8 : result.float_products;
  };
  const double int8 = std::max(result.int8_products, result.tile_products);
  for (const Linear* linear : linears_of(model.impl())) {
    result.bytes_per_token += static_cast<double>(
        linear->packed.empty() ? linear->weight.bytes.size() : linear->packed.size());
    if (linear != &model.impl().output) {  // of a prompt only the last token's logits are made
      const auto products = static_cast<double>(linear->rows() * linear->columns());
      result.products_per_token += products;
      result.limit_s_per_token += products / products_of(*linear, int8);
      result.vector_limit_s_per_token += products / products_of(*linear, result.int8_products);
    }
  }
  result.memory_bytes = model.memory_bytes() + decoder.memory_bytes();
  result.read_bandwidth = measure_read_bandwidth(
      pool, static_cast<std::size_t>(std::clamp(result.bytes_per_token, 256e6, 1e9)));
  return result;
}

}  // namespace limbeck

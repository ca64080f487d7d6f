// How fast a model runs here, beside what this machine can do.
#pragma once

#include <cstdint>
#include <vector>

#include "limbeck/base/thread_pool.h"
#include "limbeck/runtime/model.h"

namespace limbeck {

struct BenchOptions {
  std::int64_t prompt = 512, generation = 128;  // tokens; cut to the model's context
  int repetitions = 5;
  TensorType cache = TensorType::f32;  // of keys and values
  std::uint64_t seed = 1;              // of the token ids
};

struct Rate {
  double median = 0, low = 0, high = 0;  // tokens/s, over the repetitions
};

struct BenchResult {
  std::int64_t prompt_tokens = 0, generation_tokens = 0;
  Rate prompt, generation;
  double read_bandwidth = 0;      // bytes/s that all threads together read from memory
  double int8_products = 0;       // multiply-adds/s of all threads together
  double tile_products = 0;       // the same of tile registers; 0: the kernels have none
  double float_products = 0;      // the same in f32, which f32 and f16 weights are multiplied in
  double bf16_products = 0;       // of bf16
  double bytes_per_token = 0;     // weights that one generated token reads
  double products_per_token = 0;  // multiply-adds of one token of a prompt
  double limit_s_per_token = 0;   // of a prompt, at the limits by the types of the weights
  double vector_limit_s_per_token = 0;  // the same without tile registers
  std::uint64_t peak_bytes = 0;         // of the process, before the machine's limits were measured
  std::size_t memory_bytes = 0;         // weights beyond the file, cache and scratch
};

// Throws Error{usage} if the context is too short to measure.
BenchResult bench(const Model& model, ThreadPool& pool, const BenchOptions& options);

// Bytes/s of reading `bytes` of memory with all threads: the best of a few passes.
double measure_read_bandwidth(ThreadPool& pool, std::size_t bytes);
// int8 (by vectors, by tiles), f32 and bf16 multiply-adds/s of the kernels in use, with all
// threads.
double measure_int8_products(ThreadPool& pool);
double measure_tile_products(ThreadPool& pool);
double measure_float_products(ThreadPool& pool);
double measure_bf16_products(ThreadPool& pool);

// Positions that a measurement fills and tokens it runs at once, for plan_memory.
DecoderOptions decoder_options_of(const Architecture& architecture, const BenchOptions& options);

}  // namespace limbeck

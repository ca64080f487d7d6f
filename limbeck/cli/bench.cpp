// limbeck bench: speed of a model on this machine, beside the machine's limits.
#include "limbeck/runtime/bench.h"

#include <fmt/core.h>

#include <chrono>
#include <string>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/resident.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/cache_option.h"
#include "limbeck/kernels/kernel_table.h"
#include "limbeck/runtime/memory.h"

namespace limbeck::cli {
namespace {

struct Loaded {
  double seconds;
  std::uint64_t planned_bytes, peak_bytes;  // of the whole process: stated before, found after
  std::uint64_t file_bytes;
  int threads;
};

// A fraction above 1: the model fits the caches, and memory is not what limits it.
double generation_fraction(const BenchResult& r) {
  return r.generation.median * r.bytes_per_token / r.read_bandwidth;
}
double prompt_fraction(const BenchResult& r) { return r.prompt.median * r.limit_s_per_token; }
double prompt_vector_fraction(const BenchResult& r) {
  return r.prompt.median * r.vector_limit_s_per_token;
}

Json to_json(const BenchResult& r, const Loaded& loaded) {
  const auto spread = [](const Rate& rate) { return Json{{"low", rate.low}, {"high", rate.high}}; };
  return {{"schema", 1},
          {"threads", loaded.threads},
          {"kernels", kernels().name},
          {"prompt_tokens", r.prompt_tokens},
          {"generation_tokens", r.generation_tokens},
          {"prompt_tokens_per_s", r.prompt.median},
          {"prompt_spread", spread(r.prompt)},
          {"generation_tokens_per_s", r.generation.median},
          {"generation_spread", spread(r.generation)},
          {"read_bandwidth", r.read_bandwidth},
          {"int8_multiply_adds_per_s", r.int8_products},
          {"int8_instruction", kernels().int8_instruction},
          {"tile_multiply_adds_per_s", r.tile_products},
          {"float_multiply_adds_per_s", r.float_products},
          {"bf16_multiply_adds_per_s", r.bf16_products},
          {"bytes_per_token", r.bytes_per_token},
          {"limit_fraction",
           {{"prompt", prompt_fraction(r)},
            {"prompt_vector", prompt_vector_fraction(r)},
            {"generation", generation_fraction(r)}}},
          {"load_seconds", loaded.seconds},
          {"file_bytes", loaded.file_bytes},
          {"memory_bytes", r.memory_bytes},
          {"planned_peak_bytes", loaded.planned_bytes},
          {"peak_bytes", loaded.peak_bytes}};
}

void print_table(const BenchResult& r, const Loaded& loaded) {
  const auto rate = [](const Rate& x) {
    return fmt::format("{:.1f} ({:.1f} to {:.1f})", x.median, x.low, x.high);
  };
  const auto products = [](double x) { return fmt::format("{:.0f} G/s", x / 1e9); };
  const KernelTable& table = kernels();
  std::vector<std::vector<std::string>> rows = {
      {"kernels", fmt::format("{}, {} threads", table.name, loaded.threads)},
      {"load", human_seconds(loaded.seconds)},
      {"file", human_bytes(static_cast<double>(loaded.file_bytes))},
      {"weights, cache, scratch", human_bytes(static_cast<double>(r.memory_bytes))},
      {"peak memory, stated before", human_bytes(static_cast<double>(loaded.planned_bytes))},
      {"peak memory, found", human_bytes(static_cast<double>(loaded.peak_bytes))},
      {fmt::format("prompt of {}, tokens/s", r.prompt_tokens), rate(r.prompt)},
      {"  of the arithmetic limit", fmt::format("{:.0f} %", 100 * prompt_fraction(r))}};
  if (r.tile_products > 0)
    rows.push_back({fmt::format("  of {}'s limit", table.int8_instruction),
                    fmt::format("{:.0f} %", 100 * prompt_vector_fraction(r))});
  rows.insert(rows.end(),
              {{fmt::format("generation of {}, tokens/s", r.generation_tokens), rate(r.generation)},
               {"  of the bandwidth limit", fmt::format("{:.0f} %", 100 * generation_fraction(r))},
               {"read bandwidth", human_bytes(r.read_bandwidth) + "/s"}});
  if (r.tile_products > 0)
    rows.push_back(
        {fmt::format("int8 multiply-adds, {}", table.tile_instruction), products(r.tile_products)});
  rows.insert(rows.end(), {{fmt::format("int8 multiply-adds, {}", table.int8_instruction),
                            products(r.int8_products)},
                           {"f32 multiply-adds", products(r.float_products)},
                           {"bf16 multiply-adds", products(r.bf16_products)}});
  print(text_table(rows));
}

}  // namespace

int run_bench(int argc, char** argv) {
  std::string path;
  BenchOptions options;
  Arguments arguments("bench", "Measures prompt and generation speed, and this machine's limits.",
                      "limbeck bench model.gguf --threads 2\n"
                      "limbeck bench model/ --prompt 1024 --repetitions 9 --json");
  arguments.app().add_option("model", path, "A model folder or .gguf file")->required();
  arguments.app()
      .add_option("--prompt", options.prompt, "Tokens of the prompt")
      ->check(CLI::PositiveNumber);
  arguments.app()
      .add_option("--generation", options.generation, "Tokens generated")
      ->check(CLI::PositiveNumber);
  arguments.app()
      .add_option("--repetitions", options.repetitions, "Of each measurement; medians are shown")
      ->check(CLI::Range(1, 1000));
  add_cache_option(arguments.app(), options.cache);
  ModelOptions model_options;
  arguments.app().add_flag("!--mapped", model_options.repack,
                           "Run from the mapped file: slower, for models larger than memory");
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;
  options.seed = arguments.common().seed;

  model_options.threads = arguments.common().threads;

  const auto begin = std::chrono::steady_clock::now();
  const std::uint64_t before = resident_bytes();
  const Checkpoint checkpoint = Checkpoint::open(path);
  const DecoderOptions decoder = decoder_options_of(checkpoint.architecture(), options);
  const MemoryPlan plan =
      plan_memory(checkpoint, model_options, decoder, decoder.context, options.prompt);
  const std::uint64_t planned = before + plan.total();
  say(fmt::format(
      "memory: {} (weights {}, cache {}, scratch {})", human_bytes(static_cast<double>(planned)),
      human_bytes(static_cast<double>(plan.weights)), human_bytes(static_cast<double>(plan.cache)),
      human_bytes(static_cast<double>(plan.scratch))));
  const Model model(checkpoint, model_options);
  const std::chrono::duration<double> load = std::chrono::steady_clock::now() - begin;
  ThreadPool pool(arguments.common().threads);
  const BenchResult result = limbeck::bench(model, pool, options);
  const Loaded loaded{load.count(), planned, result.peak_bytes, checkpoint.file_bytes(),
                      pool.size()};
  if (arguments.common().json) {
    print_json(to_json(result, loaded));
  } else {
    print_table(result, loaded);
  }
  return 0;
}

}  // namespace limbeck::cli

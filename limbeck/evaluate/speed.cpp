// Speed by repeated rounds over the decoder, memory by what the kernel counted.
#include "limbeck/evaluate/speed.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/evaluate/evaluate.h"

namespace limbeck {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Tokens a second of rounds of `tokens`, for about `budget_s`.
Interval rate(std::int64_t tokens, double budget_s, const std::function<void()>& round,
              std::int64_t& rounds) {
  round();  // pages in the weights
  std::vector<double> rates;
  for (double spent = 0; spent < budget_s || rates.size() < 3;) {
    const double seconds = std::max(seconds_of(round), 1e-9);
    spent += seconds;
    rates.push_back(static_cast<double>(tokens) / seconds);
  }
  std::sort(rates.begin(), rates.end());
  rounds += static_cast<std::int64_t>(rates.size());
  return {rates[rates.size() / 2], rates.front(), rates.back()};
}

}  // namespace

SpeedResult measure_speed_of(const Model& model, ThreadPool& pool, const SpeedOptions& options) {
  const std::int64_t context = model.architecture().context_length;
  const std::int64_t vocab = model.architecture().vocab_size;
  SpeedResult result;
  result.generation_tokens = std::clamp<std::int64_t>(options.generation_tokens, 1, context / 2);
  result.prompt_tokens =
      std::clamp<std::int64_t>(options.prompt_tokens, 1, context - result.generation_tokens);
  if (result.prompt_tokens < 1 || vocab < 1) {
    fail(ErrorKind::unsupported, "a context of {} tokens is too short to measure speed", context);
  }
  reset_peak_resident();
  DecoderOptions decoder_options;
  decoder_options.context = result.prompt_tokens + result.generation_tokens;
  Decoder decoder(model, pool, decoder_options);
  std::vector<TokenId> prompt;
  for (std::int64_t i = 0; i < result.prompt_tokens; ++i) {
    prompt.push_back(static_cast<TokenId>((i * 7919 + 13) % vocab));
  }
  const auto run_prompt = [&] {
    decoder.truncate(0, 0);
    decoder.forward(prompt, false);
  };
  result.prompt_tokens_per_s =
      rate(result.prompt_tokens, options.seconds, run_prompt, result.rounds);
  const auto run_generation = [&] {
    decoder.truncate(0, result.prompt_tokens);
    for (std::int64_t i = 0; i < result.generation_tokens; ++i) {
      decoder.forward(std::span(&prompt[static_cast<std::size_t>(i % result.prompt_tokens)], 1),
                      false);
    }
  };
  result.generation_tokens_per_s =
      rate(result.generation_tokens, options.seconds, run_generation, result.rounds);
  result.cache_bytes = decoder.memory_bytes();
  result.peak_bytes = peak_resident_bytes();
  return result;
}

Json to_json(const SpeedResult& result) {
  return {{"prompt_tokens_per_s", to_json(result.prompt_tokens_per_s)},
          {"generation_tokens_per_s", to_json(result.generation_tokens_per_s)},
          {"prompt_tokens", result.prompt_tokens},
          {"generation_tokens", result.generation_tokens},
          {"rounds", result.rounds},
          {"cache_bytes", result.cache_bytes},
          {"peak_bytes", result.peak_bytes}};
}

}  // namespace limbeck

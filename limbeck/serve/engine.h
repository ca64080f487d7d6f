// The one place where the model runs: many answers at once, one forward pass for all of them a
// step.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/runtime/generate.h"
#include "limbeck/serve/metrics.h"

namespace limbeck::serve {

struct EngineOptions {
  int parallel = 8;                    // answers made at once, >= 1
  std::int64_t context = 0;            // positions of each; 0: the model's, at most 8192
  std::size_t queue = 256;             // jobs that wait at most
  TensorType cache = TensorType::f32;  // of keys and values; or f16, q8_0
};

// What became of a job.
struct Outcome {
  Generated generated = {};
  // With `echo`: of each prompt token but the first, given those before it.
  std::vector<float> prompt_logprobs = {};
  std::vector<std::vector<TokenLogprob>> prompt_top = {};  // options.top_logprobs of each
  std::vector<float> embedding = {};                       // with `embed`, [hidden], of length 1
  std::optional<Error> error = {};                         // of this job alone
  std::int64_t cached_tokens = 0;  // of the prompt, taken from an earlier answer
};

// One prompt and what is wanted of it.
struct Job {
  std::vector<TokenId> prompt;  // at least one token
  GenerateOptions options;      // its grammar is that below
  std::optional<Grammar> grammar;
  bool echo = false;   // log-probabilities of the prompt
  bool embed = false;  // the mean of the prompt's final hidden states; nothing is generated
  // Called on the engine's thread. `on_text` gets each certain piece with the answer so far.
  std::function<void(const Generated& so_far, std::string_view piece)> on_text;
  std::function<void(Outcome outcome)> on_end;  // once, unless cancelled
};

struct EngineStats {
  std::uint64_t jobs = 0, cancelled = 0, refused = 0;
  std::uint64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0, steps = 0;
  std::size_t waiting = 0, running = 0;
  Histogram queue_s, first_token_s, token_s, answer_s;  // see metrics.cpp
};

// Continuous batching: each step runs the next token of every answer under way and a piece of the
// prompts that came in since. What is computed for a job never depends on which others run beside
// it. A prompt that begins like one held in a sequence takes over that part of its cache.
class Engine {
 public:
  // Everything must outlive it. Throws Error{usage} on bad options, Error{io} if memory does not
  // suffice.
  Engine(const Model& model, const Tokenizer& tokenizer, ThreadPool& pool,
         const EngineOptions& options);
  ~Engine();  // as stop

  // A handle to cancel by; nullptr: the queue is full, or the engine is stopping. Throws
  // Error{usage} on a prompt that is empty, too long for the context, or has ids outside the
  // vocabulary.
  using Ticket = std::shared_ptr<std::atomic<bool>>;
  Ticket submit(std::unique_ptr<Job> job);

  // Takes no more jobs, and returns when all are done, at the latest after `seconds`.
  void drain(double seconds);
  // Ends at once: jobs left get Error{interrupted}.
  void stop();

  EngineStats stats() const;
  std::int64_t context() const noexcept;
  const Tokenizer& tokenizer() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace limbeck::serve

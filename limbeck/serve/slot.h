// A sequence of the engine's decoder, and the job it serves.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "limbeck/runtime/generation.h"
#include "limbeck/serve/engine.h"

namespace limbeck::serve {

struct Waiting {
  std::unique_ptr<Job> job;
  Engine::Ticket cancelled;
  std::chrono::steady_clock::time_point submitted;
};

struct Slot {
  std::unique_ptr<Job> job;  // null: free
  Engine::Ticket cancelled;
  std::unique_ptr<Generation> generation;
  Outcome outcome;
  std::vector<TokenId> held;  // what the cache holds
  std::size_t begun = 0;      // tokens of the prompt that were run or taken over
  TokenId token = 0;          // to run next, once the prompt is
  std::vector<double> hidden_sum;
  std::chrono::steady_clock::time_point submitted, last_token;

  bool in_prompt() const { return begun < job->prompt.size(); }

  // Tokens of the job's prompt that are held here; the last one is always run, for its logits.
  std::size_t reusable(const Job& other) const;

  // The log-probability of a prompt token (and the likeliest ones) by the logits [vocab] before it.
  void note_prompt(TokenId id, std::span<const float> logits);

  // One position's final hidden state; the embedding is the mean of all, of length 1.
  void add_hidden(std::span<const float> state);
  void finish_embedding();
};

}  // namespace limbeck::serve

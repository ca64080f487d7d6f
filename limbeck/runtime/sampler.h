// From logits to the next token.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "limbeck/base/random.h"
#include "limbeck/runtime/generate.h"

namespace limbeck {

// Throws Error{usage} naming the option that is out of its range.
void check(const SamplingOptions& options);

// Draws tokens of one sequence. In this order: bias, penalties, temperature, top_k, top_p, min_p,
// draw.
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options, std::span<const LogitBias> bias = {});

  // A token of the prompt, for the repetition penalty; one of the answer, for all penalties.
  void seen(TokenId id);
  void answered(TokenId id);
  // `allowed` is empty (all) or has an entry for each logit, at least one of them true.
  TokenId next(std::span<const float> logits, const std::vector<bool>& allowed);

  struct Candidate {
    TokenId id;
    double value;  // of a distribution: its probability
  };
  // What `next` draws from: probabilities that sum to 1, falling; one entry where greedy. Valid
  // until the next call.
  std::span<const Candidate> distribution(std::span<const float> logits,
                                          const std::vector<bool>& allowed);
  TokenId draw(std::span<const Candidate> distribution);
  // The likeliest token where `next` would take it if it is allowed; nullopt where tokens are drawn
  // or logits are not taken as they are.
  std::optional<TokenId> greedy(std::span<const float> logits) const;
  double uniform() noexcept { return random_.uniform(); }

 private:
  double penalized(std::span<const float> logits, TokenId id) const;
  TokenId most_likely(std::span<const float> logits, const std::vector<bool>& allowed) const;
  void keep_likely();

  SamplingOptions options_;
  Random random_;
  bool plain_;  // logits are used as they are
  std::vector<bool> seen_;
  std::unordered_map<TokenId, int> answered_;  // how often
  std::unordered_map<TokenId, double> bias_;
  std::vector<Candidate> candidates_;
};

}  // namespace limbeck

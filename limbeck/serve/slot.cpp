#include "limbeck/serve/slot.h"

#include <algorithm>
#include <cmath>

namespace limbeck::serve {

std::size_t Slot::reusable(const Job& other) const {
  if (other.echo || other.embed) return 0;  // every position is looked at
  const auto common = std::ranges::mismatch(other.prompt, held).in1 - other.prompt.begin();
  return std::min(static_cast<std::size_t>(common), other.prompt.size() - 1);
}

void Slot::note_prompt(TokenId id, std::span<const float> logits) {
  std::vector<float> logprobs(logits.size());
  log_softmax(logits, logprobs);
  outcome.prompt_logprobs.push_back(logprobs[static_cast<std::size_t>(id)]);
  if (const int n = job->options.top_logprobs; n > 0) {
    outcome.prompt_top.push_back(most_likely(logits, logprobs, n));
  }
}

void Slot::add_hidden(std::span<const float> state) {
  hidden_sum.resize(state.size());
  for (std::size_t d = 0; d < state.size(); ++d) hidden_sum[d] += state[d];
}

void Slot::finish_embedding() {
  double squares = 0;
  for (const double x : hidden_sum) squares += x * x;
  const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
  for (const double x : hidden_sum) outcome.embedding.push_back(static_cast<float>(x * scale));
}

}  // namespace limbeck::serve

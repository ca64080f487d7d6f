// Generation: sampling, stop conditions, constrained decoding; and scoring of given continuations.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "limbeck/runtime/model.h"
#include "limbeck/text/grammar.h"

namespace limbeck {

// Added to a token's logit before anything else.
struct LogitBias {
  TokenId id;
  double bias;
};

struct SamplingOptions {
  double temperature = 0;         // 0: greedy (ties: the lowest id)
  int top_k = 0;                  // 0: all
  double top_p = 1;               // in (0, 1]
  double min_p = 0;               // in [0, 1)
  double repetition_penalty = 1;  // > 0; of tokens of the prompt and the answer
  double presence_penalty = 0;    // subtracted from the logit of what the answer holds already
  double frequency_penalty = 0;   // the same for each time that it does
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  // another stream of the same seed: another draw
};

struct TokenLogprob {
  TokenId id;
  float logprob;  // natural log, of the unscaled distribution
};

struct GenerateOptions {
  std::int64_t max_tokens = 256;
  SamplingOptions sampling = {};
  std::vector<std::string> stop = {};  // texts that end the answer (not included in it)
  bool ignore_eos = false;
  std::vector<LogitBias> logit_bias = {};
  int top_logprobs = 0;  // alternatives reported for each token
  // Those behind the last token too, where a grammar leaves nothing more to say: a step more.
  bool stop_logprobs = false;
  const Grammar* grammar = nullptr;  // the answer's text must be of this language
  const TokenMask* mask = nullptr;   // of token_texts(tokenizer), to be shared; null: made anew
};

struct Generated {
  std::string text;
  std::vector<TokenId> ids;                     // without the stop token; with those of a stop text
  std::vector<float> logprobs;                  // of ids
  std::vector<std::vector<TokenLogprob>> top;   // [ids][top_logprobs], falling
  std::optional<TokenLogprob> stop_token = {};  // that ended the answer, where one did
  std::vector<TokenLogprob> stop_top = {};      // its alternatives
  enum class Finish { stop, length, grammar_end } finish = Finish::length;
};

std::string_view name(Generated::Finish finish) noexcept;  // "stop", "length", "grammar_end"

// The bytes of every token, as TokenMask takes them.
std::vector<std::string> token_texts(const Tokenizer& tokenizer);

// Appends to what sequence 0 of the decoder holds; the prompt has at least one token. `on_text`
// gets each certain piece; returning false stops. Ends with Finish::length where the context does.
// Throws Error{usage} if the prompt does not fit or an option is out of range, Error{numeric} if
// the model's logits are not finite, Error{interrupted}.
Generated generate(Decoder& decoder, const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                   const GenerateOptions& options,
                   const std::function<bool(std::string_view piece)>& on_text = {});

// As generate, for models without a tokenizer: ids and log-probabilities only, nothing stops but
// max_tokens.
Generated generate_ids(Decoder& decoder, std::span<const TokenId> prompt,
                       const GenerateOptions& options);

// Many prompts at once, batched over sequences (a fresh decoder of its own); what they all begin
// with is run once. The result of prompt i is that of generate with sampling stream `stream` + i.
std::vector<Generated> generate_all(const Model& model, const Tokenizer& tokenizer,
                                    ThreadPool& pool, std::span<const std::vector<TokenId>> prompts,
                                    const GenerateOptions& options,
                                    const std::function<void(std::size_t done)>& on_done = {});

// Sum of log-probabilities (nats) of each continuation after the prompt, the prompt run once.
struct ContinuationScore {
  double logprob = 0;  // of all its tokens
  std::int64_t tokens = 0;
  bool greedy = true;  // each token was the most probable
};
std::vector<ContinuationScore> score_continuations(
    Decoder& decoder, std::span<const TokenId> prompt,
    std::span<const std::vector<TokenId>> continuations);

// The `n` likeliest tokens, falling; of equals the lowest id first. Sizes equal.
std::vector<TokenLogprob> most_likely(std::span<const float> logits,
                                      std::span<const float> logprobs, int n);

// log softmax in double for stability: out[i] = logits[i] - log sum exp. Sizes equal.
void log_softmax(std::span<const float> logits, std::span<float> out);

}  // namespace limbeck

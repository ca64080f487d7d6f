#include "limbeck/runtime/generate.h"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/runtime/generation.h"

namespace limbeck {
namespace {

void check_prompt(std::span<const TokenId> prompt) {
  if (!prompt.empty()) return;
  fail(ErrorKind::usage, "the prompt has no tokens, and this model has no BOS token to begin with");
}

std::optional<TokenMask> mask_for(const Tokenizer& tokenizer, const GenerateOptions& options) {
  if (!options.grammar || options.mask) return std::nullopt;
  return std::optional<TokenMask>(std::in_place, token_texts(tokenizer));
}

Generated run(Decoder& decoder, const Tokenizer* tokenizer, const TokenMask* mask,
              std::span<const TokenId> prompt, const GenerateOptions& options,
              const std::function<bool(std::string_view piece)>& on_text) {
  check_prompt(prompt);
  Generation generation(tokenizer, options, mask, prompt, on_text);
  std::span<const float> logits = decoder.forward(prompt, false);
  while (const auto token = generation.step(logits)) {
    stop_if_interrupted("the command");
    if (decoder.length() >= decoder.context()) {
      generation.cut();
      break;
    }
    logits = decoder.forward(std::array{*token}, false);
  }
  return generation.take();
}

}  // namespace

std::vector<std::string> token_texts(const Tokenizer& tokenizer) {
  std::vector<std::string> texts;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    texts.push_back(tokenizer.token_bytes(id));
  }
  return texts;
}

Generated generate(Decoder& decoder, const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                   const GenerateOptions& options,
                   const std::function<bool(std::string_view piece)>& on_text) {
  const auto mask = mask_for(tokenizer, options);
  return run(decoder, &tokenizer, mask ? &*mask : options.mask, prompt, options, on_text);
}

Generated generate_ids(Decoder& decoder, std::span<const TokenId> prompt,
                       const GenerateOptions& options) {
  if (options.grammar || !options.stop.empty()) {
    fail(ErrorKind::usage, "a grammar or stop texts need a model with a tokenizer");
  }
  return run(decoder, nullptr, nullptr, prompt, options, {});
}

namespace {

std::size_t common_prefix(std::span<const std::vector<TokenId>> prompts) {
  std::size_t shared = prompts.front().size();
  for (const auto& prompt : prompts) {
    const auto [a, b] = std::ranges::mismatch(prompts.front(), prompt);
    shared = std::min(shared, static_cast<std::size_t>(a - prompts.front().begin()));
    shared = std::min(shared, prompt.size() - 1);  // the last token's logits are wanted
  }
  return shared;
}

// Sequences of one decoder, each with an answer being made or free.
class Slots {
 public:
  Slots(const Model& model, const Tokenizer& tokenizer, ThreadPool& pool,
        std::span<const std::vector<TokenId>> prompts, const GenerateOptions& options)
      : tokenizer_(tokenizer),
        prompts_(prompts),
        options_(options),
        mask_(mask_for(tokenizer, options)),
        shared_(prompts.size() > 1 ? common_prefix(prompts) : 0),
        slots_(std::min(kSlots, prompts.size())),
        decoder_(model, pool, decoder_options(model)),
        results_(prompts.size()) {
    if (shared_ == 0) return;
    prefix_ = static_cast<std::int32_t>(slots_.size());
    decoder_.forward(std::span(prompts.front()).first(shared_), false, prefix_);
  }

  std::vector<Generated> run(const std::function<void(std::size_t done)>& on_done) {
    std::size_t done = 0;
    while (done < prompts_.size()) {
      stop_if_interrupted("the command");
      Batch batch = next_batch();
      const std::size_t finished = take(decoder_.forward(batch));
      done += finished;
      if (finished > 0 && on_done) on_done(done);
    }
    return std::move(results_);
  }

 private:
  static constexpr std::size_t kSlots = 32;         // rows that share one read of the weights
  static constexpr std::size_t kPromptItems = 512;  // prompt tokens started in one forward

  struct Slot {
    std::unique_ptr<Generation> generation;  // null: free
    std::size_t prompt = 0;
    TokenId token = 0;  // to run next
  };

  DecoderOptions decoder_options(const Model& model) const {
    std::int64_t longest = 1;
    for (const auto& prompt : prompts_) {
      longest = std::max(longest, static_cast<std::int64_t>(prompt.size()) + options_.max_tokens);
    }
    DecoderOptions options;
    options.context = std::min(longest, model.architecture().context_length);
    options.n_sequences = static_cast<int>(slots_.size() + (shared_ > 0));
    return options;
  }

  void start(std::int32_t s, Batch& batch) {
    Slot& slot = slots_[static_cast<std::size_t>(s)];
    slot.prompt = next_++;
    const auto& prompt = prompts_[slot.prompt];
    decoder_.truncate(s, 0);
    if (shared_ > 0) decoder_.copy(prefix_, s);
    GenerateOptions& own = own_options_.emplace_back(options_);
    own.sampling.stream += slot.prompt;
    slot.generation =
        std::make_unique<Generation>(&tokenizer_, own, mask_ ? &*mask_ : options_.mask, prompt);
    for (std::size_t i = shared_; i < prompt.size(); ++i) {
      batch.items.push_back({prompt[i], s, i + 1 == prompt.size()});
    }
  }

  // The next token of each answer under way, and the prompts of new ones.
  Batch next_batch() {
    Batch batch;
    wanted_.clear();
    for (std::int32_t s = 0; s < static_cast<std::int32_t>(slots_.size()); ++s) {
      Slot& slot = slots_[static_cast<std::size_t>(s)];
      if (slot.generation) {
        batch.items.push_back({slot.token, s, true});
      } else if (next_ < prompts_.size() && batch.items.size() < kPromptItems) {
        start(s, batch);
      } else {
        continue;
      }
      wanted_.push_back(s);
    }
    return batch;
  }

  // Steps each answer; how many are finished.
  std::size_t take(std::span<const float> logits) {
    std::size_t finished = 0;
    const std::size_t vocab = logits.size() / wanted_.size();
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      Slot& slot = slots_[static_cast<std::size_t>(wanted_[i])];
      const auto token = slot.generation->step(logits.subspan(i * vocab, vocab));
      if (token && decoder_.length(wanted_[i]) < decoder_.context()) {
        slot.token = *token;
        continue;
      }
      if (token) slot.generation->cut();
      results_[slot.prompt] = slot.generation->take();
      slot.generation.reset();
      ++finished;
    }
    return finished;
  }

  const Tokenizer& tokenizer_;
  std::span<const std::vector<TokenId>> prompts_;
  const GenerateOptions& options_;
  std::optional<TokenMask> mask_;
  std::size_t shared_, next_ = 0;  // tokens that all prompts begin with; the next prompt
  std::int32_t prefix_ = 0;        // the sequence that holds them
  std::vector<Slot> slots_;
  Decoder decoder_;
  std::deque<GenerateOptions> own_options_;  // with each prompt's stream
  std::vector<std::int32_t> wanted_;         // slots of the batch's logits, in order
  std::vector<Generated> results_;
};

}  // namespace

std::vector<Generated> generate_all(const Model& model, const Tokenizer& tokenizer,
                                    ThreadPool& pool, std::span<const std::vector<TokenId>> prompts,
                                    const GenerateOptions& options,
                                    const std::function<void(std::size_t done)>& on_done) {
  if (prompts.empty()) return {};
  for (const auto& prompt : prompts) check_prompt(prompt);
  return Slots(model, tokenizer, pool, prompts, options).run(on_done);
}

std::vector<ContinuationScore> score_continuations(
    Decoder& decoder, std::span<const TokenId> prompt,
    std::span<const std::vector<TokenId>> continuations) {
  check_prompt(prompt);
  const std::int64_t before = decoder.length();
  const std::span<const float> first = decoder.forward(prompt, false);
  const std::size_t vocab = first.size();
  const std::vector<float> prompt_logits(first.begin(), first.end());
  const std::int64_t length = decoder.length();
  std::vector<ContinuationScore> scores;
  std::vector<float> logprobs(vocab);
  const auto add = [&](ContinuationScore& score, std::span<const float> logits, TokenId id) {
    if (id < 0 || static_cast<std::size_t>(id) >= vocab) {
      fail(ErrorKind::usage, "token id {} is outside the vocabulary of {}", id, vocab);
    }
    log_softmax(logits, logprobs);
    score.logprob += logprobs[static_cast<std::size_t>(id)];
    score.greedy &= std::ranges::max_element(logits) - logits.begin() == id;
    ++score.tokens;
  };
  for (const auto& continuation : continuations) {
    ContinuationScore& score = scores.emplace_back();
    if (continuation.empty()) continue;
    add(score, prompt_logits, continuation.front());
    const auto rest = std::span(continuation).first(continuation.size() - 1);
    if (rest.empty()) continue;
    const auto logits = decoder.forward(rest, true);
    for (std::size_t i = 0; i < rest.size(); ++i) {
      add(score, logits.subspan(i * vocab, vocab), continuation[i + 1]);
    }
    decoder.truncate(0, length);
  }
  decoder.truncate(0, before);
  return scores;
}

}  // namespace limbeck

// One answer being made: takes logits, gives tokens, knows when to stop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "limbeck/runtime/sampler.h"

namespace limbeck {

class Generation {
 public:
  // A tokenizer of null gives ids only: no text, no stop tokens. `mask` is needed with a grammar.
  // All must outlive this.
  Generation(const Tokenizer* tokenizer, const GenerateOptions& options, const TokenMask* mask,
             std::span<const TokenId> prompt,
             std::function<bool(std::string_view piece)> on_text = {});

  // Takes the logits of the next position; the token to run next, or nullopt: it is finished.
  // Throws Error{numeric} if they are not numbers.
  std::optional<TokenId> step(std::span<const float> logits);
  // As step, the token being what `choose` makes of the sampler, the logits and what is allowed.
  using Choice = std::function<TokenId(Sampler& sampler, std::span<const float> logits,
                                       const std::vector<bool>& allowed)>;
  std::optional<TokenId> step(std::span<const float> logits, const Choice& choose);
  // Ends an answer that the context has no more room for.
  const Generated& so_far() const noexcept { return out_; }
  void cut() { end(Generated::Finish::length); }
  Generated take();

 private:
  bool is_stop(TokenId id) const;
  bool fits_likeliest(std::span<const float> logits) const;
  bool allow(std::size_t vocab);
  void record(TokenId id, std::span<const float> logits);
  void record_end(std::span<const float> logits);  // what might follow the last token
  void record_stop(TokenId id, std::span<const float> logits);
  bool add_text(std::string_view piece);
  void release(std::size_t until);
  void end(Generated::Finish finish);

  const Tokenizer* tokenizer_;
  const GenerateOptions& options_;
  const TokenMask* mask_;
  std::function<bool(std::string_view)> on_text_;
  Sampler sampler_;
  std::optional<StreamDecoder> decoder_;
  std::optional<GrammarState> grammar_;
  Generated out_;
  std::size_t released_ = 0;  // bytes of the text given to on_text
  bool done_ = false;
  std::vector<bool> allowed_;
  std::vector<float> logprobs_;
};

}  // namespace limbeck

// Normalizers: rewrite a text before it is cut into words.
// Semantics: tokenizers/src/normalizers of huggingface/tokenizers.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/text/text_growth.h"

namespace limbeck {

// A stretch of text from one kind of source. A text is a list of runs whose trust alternates, so
// that trust survives rewriting; a text from one source is one run.
struct TextRun {
  std::string text;
  bool trusted = false;
  bool cut = false;  // has a normalizer removed what it began with?
};

class Normalizer {
 public:
  Normalizer() = default;  // changes nothing
  // `json`: the "normalizer" of a tokenizer.json, or null. Throws Error{unsupported} naming an
  // unknown type, Error{format} on bad fields and on more than kMostSteps steps.
  Normalizer(const Json& json, std::string_view origin);

  // Each run by itself, but for what happens at the two ends of the text (Prepend, Strip).
  // Throws Error{format} where the text grows out of proportion (text_growth.h).
  void apply(std::vector<TextRun>& runs) const;
  std::string apply(std::string_view text) const;

  bool empty() const noexcept { return steps_.empty(); }

  using Step = std::function<void(std::vector<TextRun>&, const TextGrowth&)>;

 private:
  std::string where_;
  std::vector<Step> steps_;
};

}  // namespace limbeck

// Cutting words at the matches of a pattern, with the behaviours of huggingface/tokenizers
// (tokenizer/normalizer.rs: NormalizedString::split).
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "limbeck/text/pre_tokenizer.h"
#include "limbeck/text/regex.h"

namespace limbeck {

enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// A stretch of a word: a match of the pattern, or what lies between matches.
struct Stretch {
  std::size_t begin, end;
  bool match;
};
using Stretches = std::vector<Stretch>;

// Find the stretches of a word; they cover it in order.
Stretches stretches_of(const Regex& regex, std::string_view word);
Stretches stretches_of(std::string_view literal, std::string_view word);  // literal: not empty
// Each character that `wanted` says yes to is a match of its own.
Stretches stretches_of(const std::function<bool(std::uint32_t)>& wanted, std::string_view word);

// Replaces each word by its parts. `invert`: what is not a match counts as the match.
void split(Words& words, SplitBehavior behavior, bool invert,
           const std::function<Stretches(std::string_view)>& find);

// Throws Error{format} naming `origin` for an unknown name ("Removed", "MergedWithNext", ...).
SplitBehavior split_behavior(std::string_view name, std::string_view origin);

}  // namespace limbeck

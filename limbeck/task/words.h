// Text made comparable: letter case, punctuation, spaces, articles.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace limbeck {

std::string_view trimmed(std::string_view text) noexcept;  // without ASCII blanks at both ends

// The answer after a leading <think>...</think>, trimmed.
std::string_view without_thinking(std::string_view text);

// Lower case by code point (as Python's str.lower but for its few special casings).
std::string lower(std::string_view text);

// Letters and digits in lower case, everything else one blank: what "the same input" means for
// leakage.
std::string plain_words(std::string_view text);

// SQuAD's normalize_answer (Rajpurkar et al. 2016, evaluate-v1.1.py): lower case, ASCII punctuation
// removed, the words a, an, the removed, blanks made single.
std::string squad_normal(std::string_view text);

// ROUGE's tokens (rouge_score without stemming): runs of a-z and 0-9 of the lower-cased text.
// Characters beyond ASCII count as letters here, so that an answer in Greek has words at all.
std::vector<std::string> rouge_tokens(std::string_view text);

std::vector<std::string> split_blanks(std::string_view text);

}  // namespace limbeck

// Overlap of an answer with a gold text.
#pragma once

#include <string_view>

namespace limbeck {

// SQuAD: equality and bag-of-words F1 of the normalised texts (evaluate-v2.0.py: F1 with an empty
// side is 1 if both are empty, else 0). In [0, 1].
bool squad_exact(std::string_view answer, std::string_view gold);
double squad_f1(std::string_view answer, std::string_view gold);

// ROUGE-L F1 (Lin 2004) by longest common subsequence of rouge_tokens, as rouge_score's rougeL:
// 0 when either side has no token, except that two equal texts without tokens give 1.
double rouge_l(std::string_view answer, std::string_view gold);

}  // namespace limbeck

// SQuAD and ROUGE-L, checked against the reference implementations in tests/interop.
#include "limbeck/task/overlap.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "limbeck/task/words.h"

namespace limbeck {
namespace {

double f1(double common, double answer, double gold) {
  if (common == 0) return 0;
  const double precision = common / answer, recall = common / gold;
  return 2 * precision * recall / (precision + recall);
}

std::size_t longest_common_subsequence(const std::vector<std::string>& a,
                                       const std::vector<std::string>& b) {
  std::vector<std::size_t> row(b.size() + 1, 0);
  for (const std::string& word : a) {
    std::size_t diagonal = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = word == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

bool squad_exact(std::string_view answer, std::string_view gold) {
  return squad_normal(answer) == squad_normal(gold);
}

double squad_f1(std::string_view answer, std::string_view gold) {
  const auto predicted = split_blanks(squad_normal(answer));
  const auto expected = split_blanks(squad_normal(gold));
  if (predicted.empty() || expected.empty()) return predicted.empty() && expected.empty() ? 1 : 0;
  std::map<std::string_view, int> left;
  for (const auto& word : expected) ++left[word];
  int common = 0;
  for (const auto& word : predicted) {
    const auto found = left.find(word);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++common;
  }
  return f1(common, static_cast<double>(predicted.size()), static_cast<double>(expected.size()));
}

double rouge_l(std::string_view answer, std::string_view gold) {
  const auto predicted = rouge_tokens(answer), expected = rouge_tokens(gold);
  if (predicted.empty() && expected.empty()) return trimmed(answer) == trimmed(gold) ? 1 : 0;
  const auto common = longest_common_subsequence(predicted, expected);
  return f1(static_cast<double>(common), static_cast<double>(predicted.size()),
            static_cast<double>(expected.size()));
}

}  // namespace limbeck

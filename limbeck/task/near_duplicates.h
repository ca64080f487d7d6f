// Texts that say nearly the same: Jaccard similarity of character 5-grams, found through MinHash
// bands (Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace limbeck {

class NearDuplicates {
 public:
  // Texts at least this similar are duplicates; in (0, 1].
  explicit NearDuplicates(double threshold);

  struct Match {
    std::size_t index;  // in order of `add`
    double similarity;
  };
  // The most similar of the texts added, if it is a duplicate. Letter case, punctuation and blanks
  // do not count. At .5 one pair in eight is missed, from .7 up fewer than one in 5,000.
  std::optional<Match> find(std::string_view text) const;
  std::size_t add(std::string_view text);

  static double similarity(std::string_view a, std::string_view b);

 private:
  double threshold_;
  std::vector<std::vector<std::uint64_t>> texts_;  // of each: its grams' hashes, sorted
  std::unordered_multimap<std::uint64_t, std::uint32_t> bands_;
};

}  // namespace limbeck

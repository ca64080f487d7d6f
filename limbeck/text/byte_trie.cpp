#include "limbeck/text/byte_trie.h"

namespace limbeck {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> keys)
    : values_{-1}, root_(256, kNone) {
  std::stable_sort(keys.begin(), keys.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  struct Made {
    Node parent;
    std::uint8_t byte;
  };
  std::vector<Made> made = {{kNone, 0}};  // by node; the children of a node come in order of byte
  std::vector<Node> path = {kRoot};       // of the key before
  std::string_view before;
  for (const auto& [key, value] : keys) {
    const auto shared = static_cast<std::size_t>(
        std::mismatch(before.begin(), before.end(), key.begin(), key.end()).first - before.begin());
    path.resize(shared + 1);
    for (std::size_t i = shared; i < key.size(); ++i) {
      made.push_back({path.back(), static_cast<std::uint8_t>(key[i])});
      values_.push_back(-1);
      path.push_back(static_cast<Node>(made.size() - 1));
    }
    if (!key.empty()) values_[path.back()] = value;
    before = key;
  }
  first_.assign(made.size() + 1, 0);
  for (std::size_t n = 1; n < made.size(); ++n) ++first_[made[n].parent + 1];
  for (std::size_t n = 0; n < made.size(); ++n) first_[n + 1] += first_[n];
  edges_.resize(made.size() - 1);
  std::vector<std::uint32_t> next(first_.begin(), first_.end() - 1);
  for (std::size_t n = 1; n < made.size(); ++n) {
    edges_[next[made[n].parent]++] = {made[n].byte, static_cast<Node>(n)};
  }
  for (std::uint32_t e = first_[kRoot]; e < first_[kRoot + 1]; ++e) {
    root_[edges_[e].byte] = edges_[e].to;
  }
}

}  // namespace limbeck

#include "limbeck/text/token_trie.h"

#include <algorithm>
#include <numeric>

namespace limbeck {

TokenTrie::TokenTrie(std::span<const std::string> tokens) {
  for (const std::string& token : tokens) longest_ = std::max(longest_, token.size());
  ids_.resize(tokens.size());
  std::iota(ids_.begin(), ids_.end(), 0u);
  std::erase_if(ids_, [&](std::uint32_t id) { return tokens[id].empty(); });
  std::stable_sort(ids_.begin(), ids_.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return tokens[a] < tokens[b]; });
  // Breadth first, so that the children of a node lie together. A node is a stretch of the sorted
  // ids that share their first `depth` bytes.
  struct Stretch {
    std::size_t begin, end, depth;
  };
  std::vector<Stretch> stretches = {{0, ids_.size(), 0}};
  nodes_.emplace_back();
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    auto [begin, end, depth] = stretches[n];
    nodes_[n].ids_begin = static_cast<std::uint32_t>(begin);
    while (begin < end && tokens[ids_[begin]].size() == depth) ++begin;
    nodes_[n].ids_end = static_cast<std::uint32_t>(begin);
    nodes_[n].children_begin = static_cast<std::uint32_t>(nodes_.size());
    while (begin < end) {
      const char byte = tokens[ids_[begin]][depth];
      std::size_t stop = begin;
      while (stop < end && tokens[ids_[stop]][depth] == byte) ++stop;
      stretches.push_back({begin, stop, depth + 1});
      nodes_.emplace_back();
      nodes_.back().byte = static_cast<std::uint8_t>(byte);
      begin = stop;
    }
    nodes_[n].children_end = static_cast<std::uint32_t>(nodes_.size());
  }
}

}  // namespace limbeck

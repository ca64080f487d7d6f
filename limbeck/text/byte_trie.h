// A trie over bytes, laid out flat: finds all keys that a text begins with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace limbeck {

class ByteTrie {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0, kNone = ~Node{0};

  ByteTrie() : ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>>{}) {}
  // Keys (not empty) and values (>= 0); of equal keys the last one stays. The keys are not kept.
  explicit ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> keys);

  Node child(Node node, std::uint8_t byte) const noexcept {
    if (node == kRoot) return root_[byte];
    const auto begin = edges_.begin() + first_[node], end = edges_.begin() + first_[node + 1];
    const auto found = std::lower_bound(
        begin, end, byte, [](const Edge& edge, std::uint8_t b) { return edge.byte < b; });
    return found != end && found->byte == byte ? found->to : kNone;
  }
  std::int32_t value(Node node) const noexcept { return values_[node]; }  // -1: no key ends here

  // Calls found(length, value) for each key that text[offset...] begins with, shortest first.
  template <typename Found>
  void each_prefix(std::string_view text, std::size_t offset, Found&& found) const {
    Node node = kRoot;
    for (std::size_t i = offset; i < text.size(); ++i) {
      node = child(node, static_cast<std::uint8_t>(text[i]));
      if (node == kNone) return;
      if (value(node) >= 0) found(i + 1 - offset, value(node));
    }
  }

 private:
  struct Edge {
    std::uint8_t byte;
    Node to;
  };
  std::vector<std::uint32_t> first_;  // node -> its first edge
  std::vector<Edge> edges_;           // by node, then byte
  std::vector<std::int32_t> values_;
  std::vector<Node> root_;
};

}  // namespace limbeck

// The tokens of a vocabulary as a tree of bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limbeck {

class TokenTrie {
 public:
  static constexpr std::uint32_t kRoot = 0;

  explicit TokenTrie(std::span<const std::string> tokens);  // empty ones are left out

  // The ids of the nodes below `node` are [first_child, end_child), in the order of their bytes.
  std::uint32_t first_child(std::uint32_t node) const { return nodes_[node].children_begin; }
  std::uint32_t end_child(std::uint32_t node) const { return nodes_[node].children_end; }
  bool has_children(std::uint32_t node) const {
    return nodes_[node].children_begin != nodes_[node].children_end;
  }
  std::size_t longest() const { return longest_; }  // bytes of a token
  std::uint8_t byte(std::uint32_t node) const { return nodes_[node].byte; }
  std::span<const std::uint32_t> tokens(std::uint32_t node) const {
    return std::span(ids_).subspan(nodes_[node].ids_begin,
                                   nodes_[node].ids_end - nodes_[node].ids_begin);
  }

 private:
  struct Node {
    std::uint32_t children_begin = 0, children_end = 0, ids_begin = 0, ids_end = 0;
    std::uint8_t byte = 0;
  };
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> ids_;  // grouped by text
  std::size_t longest_ = 0;
};

}  // namespace limbeck

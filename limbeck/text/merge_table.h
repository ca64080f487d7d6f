// (left, right) -> (rank, result): a flat hash table, probed once per neighbour pair.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {

class MergeTable {
 public:
  struct Entry {
    std::uint64_t key = kFree;
    std::uint32_t rank = 0;
    TokenId result = -1;
  };

  explicit MergeTable(std::span<const Merge> merges)
      : entries_(std::bit_ceil(merges.size() * 2 + 2)), mask_(entries_.size() - 1) {
    for (const Merge& merge :
         merges) {  // a pair given twice keeps its last rank, as in `tokenizers`
      const std::uint64_t key = key_of(merge.left, merge.right);
      std::size_t slot = mix(key) & mask_;
      while (entries_[slot].key != kFree && entries_[slot].key != key) slot = (slot + 1) & mask_;
      entries_[slot] = {key, merge.rank, merge.result};
    }
  }

  // nullptr if the two do not merge.
  const Entry* find(TokenId left, TokenId right) const noexcept {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t slot = mix(key) & mask_;; slot = (slot + 1) & mask_) {
      if (entries_[slot].key == key) return &entries_[slot];
      if (entries_[slot].key == kFree) return nullptr;
    }
  }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};

  static std::uint64_t key_of(TokenId left, TokenId right) noexcept {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  // The finalizer of splitmix64: no cheap choice of merges makes long probes.
  static std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
  }

  std::vector<Entry> entries_;
  std::size_t mask_;
};

}  // namespace limbeck

// Choosing one option per item under a budget of bytes: the least total cost. A multiple-choice
// knapsack, by a Lagrange multiplier and repair.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace limbeck {

struct Choice {
  std::uint64_t bytes = 0;
  double cost = 0;
};

// choices[item] is not empty. Returns the index chosen for each item; the sum of bytes never
// exceeds `budget`. Throws Error{usage} saying the least possible if nothing fits.
std::vector<std::size_t> allocate(const std::vector<std::vector<Choice>>& choices,
                                  std::uint64_t budget);

}  // namespace limbeck

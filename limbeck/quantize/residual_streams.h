// What stands between two layers of a forward pass over many sequences: a matrix of floats for
// each, in memory or, where there is too much, in a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "limbeck/base/unnamed_file.h"

namespace limbeck {

class ResidualStreams {
 public:
  // Matrices of `sizes` floats. Above `memory_bytes` together they lie in an unnamed file in
  // `folder`. Throws Error{io} if there can be none.
  ResidualStreams(std::vector<std::size_t> sizes, std::uint64_t memory_bytes,
                  const std::filesystem::path& folder);

  bool in_file() const noexcept { return file_.has_value(); }
  // Throw Error{io}.
  void load(std::size_t i, std::vector<float>& values) const;
  void store(std::size_t i, std::span<const float> values);

 private:
  std::vector<std::size_t> sizes_;
  std::vector<std::uint64_t> at_;  // bytes into the file
  std::vector<std::vector<float>> held_;
  std::optional<UnnamedFile> file_;
};

}  // namespace limbeck

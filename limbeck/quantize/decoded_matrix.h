// A rounded matrix as floats, in memory or, under a ceiling, in a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "limbeck/base/unnamed_file.h"
#include "limbeck/model/checkpoint.h"

namespace limbeck {

class DecodedMatrix {
 public:
  // In an unnamed file of *folder, if there is one. Throws Error{io}.
  DecodedMatrix(std::int64_t rows, std::int64_t columns, const std::filesystem::path* folder);

  // Rows from `first` on; several threads may be at it, each with its own. Throws Error{io}.
  void store(std::int64_t first, std::span<const float> rows);
  // When all is stored; valid as long as this.
  Weight weight();

 private:
  Weight weight_;
  std::shared_ptr<std::vector<std::byte>> values_;
  std::optional<UnnamedFile> file_;
  std::optional<MappedFile> mapped_;
};

}  // namespace limbeck

#include "limbeck/quantize/decoded_matrix.h"

#include <cstring>

namespace limbeck {

DecodedMatrix::DecodedMatrix(std::int64_t rows, std::int64_t columns,
                             const std::filesystem::path* folder) {
  weight_.rows = rows;
  weight_.columns = columns;
  const std::size_t bytes = static_cast<std::size_t>(rows * columns) * sizeof(float);
  if (folder) {
    file_.emplace(*folder, bytes, "the file of a rounded matrix");
  } else {
    values_ = std::make_shared<std::vector<std::byte>>(bytes);
  }
}

void DecodedMatrix::store(std::int64_t first, std::span<const float> rows) {
  const std::size_t at = static_cast<std::size_t>(first * weight_.columns) * sizeof(float);
  if (file_) {
    file_->write(at, std::as_bytes(rows));
  } else {
    std::memcpy(values_->data() + at, rows.data(), rows.size_bytes());
  }
}

Weight DecodedMatrix::weight() {
  if (file_ && !mapped_) mapped_.emplace(file_->map());
  weight_.bytes = file_ ? mapped_->bytes() : std::span<const std::byte>(*values_);
  weight_.owned = values_;
  return weight_;
}

}  // namespace limbeck

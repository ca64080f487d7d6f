#include "limbeck/quantize/residual_streams.h"

namespace limbeck {

ResidualStreams::ResidualStreams(std::vector<std::size_t> sizes, std::uint64_t memory_bytes,
                                 const std::filesystem::path& folder)
    : sizes_(std::move(sizes)) {
  std::uint64_t bytes = 0;
  for (const std::size_t size : sizes_) {
    at_.push_back(bytes);
    bytes += size * sizeof(float);
  }
  if (bytes > memory_bytes) {
    file_.emplace(folder, bytes, "the file of the calibration's streams");
  } else {
    held_.resize(sizes_.size());
  }
}

void ResidualStreams::load(std::size_t i, std::vector<float>& values) const {
  if (file_) {
    values.resize(sizes_[i]);
    file_->read(at_[i], std::as_writable_bytes(std::span(values)));
  } else {
    values = held_[i];
    values.resize(sizes_[i]);
  }
}

void ResidualStreams::store(std::size_t i, std::span<const float> values) {
  if (file_) {
    file_->write(at_[i], std::as_bytes(values));
  } else {
    held_[i].assign(values.begin(), values.end());
  }
}

}  // namespace limbeck

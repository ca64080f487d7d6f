// TensorBoard's event files: records of length, masked CRC-32C and an Event message
// (tensorflow/core/util/event.proto), written by hand. Sees no libtorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace limbeck::distill {

// Castagnoli's CRC, as iSCSI and TFRecord use it.
std::uint32_t crc32c(std::string_view bytes) noexcept;

class EventFile {
 public:
  // A new file in `folder` (made if missing). `first_step`: what TensorBoard holds from that step
  // on of earlier files in the folder is superseded. Throws Error{io}.
  EventFile(const std::filesystem::path& folder, std::int64_t first_step);

  void add(std::int64_t step, const std::vector<std::pair<std::string, double>>& scalars);

 private:
  void write(std::string_view event);
  std::ofstream file_;
};

}  // namespace limbeck::distill

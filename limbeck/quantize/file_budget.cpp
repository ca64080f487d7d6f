#include "limbeck/quantize/file_budget.h"

#include <variant>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

std::uint64_t value_bytes(const GgufValue& value) {
  return std::visit(
      [](const auto& held) -> std::uint64_t {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::string>) {
          return 8 + held.size();
        } else if constexpr (std::is_same_v<Held, std::vector<std::string>>) {
          std::uint64_t bytes = 12;
          for (const std::string& text : held) bytes += 8 + text.size();
          return bytes;
        } else if constexpr (std::is_arithmetic_v<Held>) {
          return 8;
        } else {
          return 12 + held.size() * sizeof(typename Held::value_type);
        }
      },
      value);
}

}  // namespace

std::uint64_t header_bytes(const Checkpoint& checkpoint, const Plan& plan) {
  // The architecture's keys, notes, and the padding before the data.
  std::uint64_t bytes = 6144 + checkpoint.manifest().dump().size();
  if (checkpoint.has_tokenizer()) {
    for (const auto& [key, value] : checkpoint.tokenizer().to_gguf()) {
      bytes += 12 + key.size() + value_bytes(value);
    }
  }
  for (const PlannedTensor& tensor : plan) {
    bytes += tensor.name.size() + 40;  // its info
    bytes += 24;                       // its error and its part of a run of methods
  }
  return bytes;
}

std::uint64_t tensor_budget(const Checkpoint& checkpoint, const Plan& plan, double bits_per_weight,
                            std::uint64_t size) {
  if (bits_per_weight > 0) {
    std::int64_t weights = 0;
    for (const PlannedTensor& tensor : plan) weights += tensor.weights();
    return static_cast<std::uint64_t>(bits_per_weight / 8 * static_cast<double>(weights));
  }
  const std::uint64_t header = header_bytes(checkpoint, plan);
  if (size <= header) {
    fail(ErrorKind::usage, "a file of {} bytes cannot hold the {} bytes of metadata and vocabulary",
         size, header);
  }
  return size - header;
}

}  // namespace limbeck

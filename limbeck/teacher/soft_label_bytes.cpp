// Soft labels <-> bytes. Counts and log-probabilities are told apart by the sign: counts are > 0.
#include <algorithm>
#include <cmath>

#include "limbeck/base/byte_reader.h"
#include "limbeck/base/error.h"
#include "limbeck/teacher/answer_store.h"

namespace limbeck {
namespace {

constexpr std::uint8_t kLogprobs = 1, kCounts = 2;
constexpr float kStep = 1024;  // stored steps in a nat: an error under .0005 in log-probability
constexpr std::uint64_t kMostPositions = 1u << 20, kMostEntries = 1u << 16;

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::uint64_t get_varint(ByteReader& in, std::string_view what, std::uint64_t limit) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    const auto byte = in.number<std::uint8_t>(what);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte & 0x80) continue;
    if (value > limit) break;
    return value;
  }
  fail(ErrorKind::format, "{}: {} is over {}", in.origin(), what, limit);
}

bool are_counts(const std::vector<SoftLabel>& labels) {
  for (const SoftLabel& label : labels) {
    if (!label.values.empty()) return label.values[0] > 0;
  }
  return false;
}

}  // namespace

std::string pack_soft_labels(const std::vector<SoftLabel>& labels) {
  if (labels.empty()) return {};
  const bool counts = are_counts(labels);
  std::string out(1, static_cast<char>(counts ? kCounts : kLogprobs));
  put_varint(out, labels.size());
  for (const SoftLabel& label : labels) {
    put_varint(out, label.ids.size());
    TokenId previous = 0;
    for (std::size_t i = 0; i < label.ids.size(); ++i) {
      if (counts) {
        put_varint(out, static_cast<std::uint64_t>(label.ids[i] - previous));
        put_varint(out, static_cast<std::uint64_t>(label.values[i]));
        previous = label.ids[i];
        continue;
      }
      put_varint(out, static_cast<std::uint64_t>(label.ids[i]));
      const float steps = std::round(std::fmin(-label.values[i] * kStep, 65535.0f));
      const auto stored = static_cast<std::uint16_t>(std::fmax(steps, 0.0f));
      out += static_cast<char>(stored & 0xff);
      out += static_cast<char>(stored >> 8);
    }
  }
  return out;
}

std::vector<SoftLabel> unpack_soft_labels(std::string_view bytes) {
  std::vector<SoftLabel> labels;
  if (bytes.empty()) return labels;
  ByteReader in(std::as_bytes(std::span(bytes)), "soft labels");
  const auto kind = in.number<std::uint8_t>("kind");
  if (kind != kLogprobs && kind != kCounts) {
    fail(ErrorKind::format, "soft labels: unknown kind {}", kind);
  }
  const auto n =
      get_varint(in, "number of positions", std::min<std::uint64_t>(kMostPositions, bytes.size()));
  for (std::uint64_t position = 0; position < n; ++position) {
    SoftLabel label;
    const auto entries =
        get_varint(in, "number of entries", std::min<std::uint64_t>(kMostEntries, in.left()));
    std::uint64_t id = 0;
    for (std::uint64_t i = 0; i < entries; ++i) {
      const auto number = get_varint(in, "token", 0x7fffffff);
      id = kind == kCounts ? id + number : number;
      if (id > 0x7fffffff) fail(ErrorKind::format, "soft labels: token {} is out of range", id);
      label.ids.push_back(static_cast<TokenId>(id));
      label.values.push_back(kind == kCounts
                                 ? static_cast<float>(get_varint(in, "count", 1u << 24))
                                 : -static_cast<float>(in.number<std::uint16_t>("value")) / kStep);
    }
    labels.push_back(std::move(label));
  }
  if (in.left() != 0) fail(ErrorKind::format, "soft labels: {} bytes too many", in.left());
  return labels;
}

}  // namespace limbeck

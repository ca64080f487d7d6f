// Soft labels <-> bytes. A position is a set of ids, rising, each with a small number: a count, or
// a probability in steps that are finer for large ones. Much of a set was in the one before, so it
// is told which of those are here again, and the gaps between the others.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "limbeck/base/error.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/teacher/bit_stream.h"

namespace limbeck {
namespace {

enum class Kind : std::uint8_t { logprobs = 3, counts = 4 };  // 1 and 2 were whole bytes
constexpr std::uint32_t kMostPositions = 1u << 20, kMostEntries = 1u << 16;
constexpr unsigned kKindBits = 8, kRiceWidth = 5;

// p^0.4 in 2500 steps: p is off by .0005 at most near 1, by 1.2 % at .0001 and 13 % at 1e-6.
constexpr float kSteps = 2500, kPower = 0.4f;
constexpr float kBelowAll = 0.4f;  // what step 0 stands for: p = 3e-10

std::uint32_t to_step(float logprob) {
  const float steps = kSteps * std::exp(kPower * std::fmin(logprob, 0.0f));
  return static_cast<std::uint32_t>(std::lround(steps > 0 ? steps : 0.0f));  // NaN: 0
}
float from_step(std::uint32_t step) {
  const float steps = step == 0 ? kBelowAll : static_cast<float>(step);
  return std::log(steps / kSteps) / kPower;
}

bool are_counts(const std::vector<SoftLabel>& labels) {
  for (const SoftLabel& label : labels) {
    if (!label.values.empty()) return label.values[0] > 0;
  }
  return false;
}

using Numbers = std::vector<std::uint32_t>;

Numbers gaps_of(std::span<const TokenId> rising) {
  Numbers gaps;
  TokenId next = 0;
  for (const TokenId id : rising) {
    gaps.push_back(static_cast<std::uint32_t>(id - next));
    next = id + 1;
  }
  return gaps;
}

std::uint64_t cost(const Numbers& numbers) {
  std::uint64_t bits = 0;
  best_rice(numbers, bits);
  return bits;
}

void put_all(BitWriter& out, const Numbers& numbers) {
  std::uint64_t bits = 0;
  const unsigned k = best_rice(numbers, bits);
  out.bits(k, kRiceWidth);
  for (const std::uint32_t number : numbers) out.rice(number, k);
}

void put_ids(BitWriter& out, const std::vector<TokenId>& ids, const std::vector<TokenId>& before) {
  std::vector<TokenId> fresh;
  std::ranges::set_difference(ids, before, std::back_inserter(fresh));
  const Numbers all = gaps_of(ids), others = gaps_of(fresh);
  const bool again = before.size() + cost(others) < cost(all);
  out.bits(again, 1);
  if (!again) return put_all(out, all);
  for (const TokenId id : before) out.bits(std::ranges::binary_search(ids, id), 1);
  if (!others.empty()) put_all(out, others);
}

void get_gaps(BitReader& in, std::size_t n, std::vector<TokenId>& ids) {
  const unsigned k = in.bits(kRiceWidth);
  std::uint64_t next = 0;
  for (std::size_t i = 0; i < n; ++i) {
    next += in.rice(k);
    if (next > 0x7ffffffe) in.refuse("a token is out of range");
    ids.push_back(static_cast<TokenId>(next++));
  }
}

// n ids, rising.
std::vector<TokenId> get_ids(BitReader& in, std::size_t n, const std::vector<TokenId>& before) {
  std::vector<TokenId> ids;
  if (in.bits(1) != 0) {
    for (const TokenId id : before) {
      if (in.bits(1) != 0) ids.push_back(id);
    }
    if (ids.size() > n) in.refuse("more tokens than entries");
  }
  const auto kept = static_cast<std::ptrdiff_t>(ids.size());
  if (ids.size() < n) get_gaps(in, n - ids.size(), ids);
  std::inplace_merge(ids.begin(), ids.begin() + kept, ids.end());
  if (std::ranges::adjacent_find(ids) != ids.end()) in.refuse("a token is there twice");
  return ids;
}

std::vector<std::size_t> rising(const std::vector<TokenId>& ids) {
  std::vector<std::size_t> order(ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return ids[i]; });
  return order;
}

// Log-probabilities fall; where they are equal, ids rise.
void sort_by_value(SoftLabel& label) {
  std::vector<std::size_t> order(label.ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t i) { return label.values[i]; });
  SoftLabel sorted;
  for (const std::size_t i : order) {
    sorted.ids.push_back(label.ids[i]);
    sorted.values.push_back(label.values[i]);
  }
  label = std::move(sorted);
}

}  // namespace

std::string pack_soft_labels(const std::vector<SoftLabel>& labels) {
  if (labels.empty()) return {};
  const bool counts = are_counts(labels);
  BitWriter out;
  out.bits(static_cast<std::uint8_t>(counts ? Kind::counts : Kind::logprobs), kKindBits);
  out.gamma(static_cast<std::uint32_t>(labels.size()));
  std::vector<TokenId> before;
  for (const SoftLabel& label : labels) {
    out.gamma(static_cast<std::uint32_t>(label.ids.size() + 1));
    if (label.ids.empty()) continue;
    std::vector<TokenId> ids;
    Numbers values;
    for (const std::size_t i : rising(label.ids)) {
      const float value = label.values[i];
      ids.push_back(label.ids[i]);
      values.push_back(counts ? static_cast<std::uint32_t>(value) - 1 : to_step(value));
    }
    put_ids(out, ids, before);
    put_all(out, values);
    before = std::move(ids);
  }
  return out.take();
}

std::vector<SoftLabel> unpack_soft_labels(std::string_view bytes) {
  std::vector<SoftLabel> labels;
  if (bytes.empty()) return labels;
  BitReader in(bytes, "soft labels");
  const auto kind = static_cast<Kind>(in.bits(kKindBits));
  if (kind != Kind::logprobs && kind != Kind::counts) in.refuse("of an unknown kind");
  const std::uint32_t n = in.gamma();
  if (n > kMostPositions || n > in.left()) in.refuse("too many positions");
  std::vector<TokenId> before;
  for (std::uint32_t position = 0; position < n; ++position) {
    SoftLabel label;
    const std::uint32_t entries = in.gamma() - 1;
    if (entries > kMostEntries || entries > in.left()) in.refuse("too many entries");
    if (entries > 0) {
      before = label.ids = get_ids(in, entries, before);
      const unsigned k = in.bits(kRiceWidth);
      for (std::uint32_t i = 0; i < entries; ++i) {
        const std::uint32_t number = in.rice(k);
        if (number > (kind == Kind::counts ? 1u << 24 : static_cast<std::uint32_t>(kSteps))) {
          in.refuse("a value is out of range");
        }
        label.values.push_back(kind == Kind::counts ? static_cast<float>(number + 1)
                                                    : from_step(number));
      }
      if (kind == Kind::logprobs) sort_by_value(label);
    }
    labels.push_back(std::move(label));
  }
  in.end();
  return labels;
}

}  // namespace limbeck

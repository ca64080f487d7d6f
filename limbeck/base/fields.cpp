#include "limbeck/base/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace limbeck {
namespace {

// Edit distance in which a swap of neighbours is one step (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::string found(const Json& value) {
  std::string text = to_text(value);
  if (text.size() > 60) text = text.substr(0, text.find_last_of(" ,", 57)).substr(0, 57) + "...";
  return text;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongest = 64;  // the table below is quadratic; longer words are no slips
  std::size_t best = word.size() / 3 + 2;
  std::string name;
  for (const std::string& candidate : candidates) {
    if (word.size() > kLongest || candidate.size() > kLongest) continue;
    const std::size_t steps = distance(word, candidate);
    if (steps < best && steps < std::max(word.size(), candidate.size())) {
      best = steps;
      name = candidate;
    }
  }
  return name;
}

Fields::Fields(const Json& json, std::string where, ErrorKind kind)
    : json_(json), where_(std::move(where)), kind_(kind) {
  if (!json.is_object()) {
    throw Error(kind_,
                fmt::format("{}: an object (key: value) is needed, found {}", where_, found(json)))
        .at(where_);
  }
}

bool Fields::has(std::string_view key) const {
  const auto member = json_.find(key);
  return member != json_.end() && !member->is_null();
}

const Json* Fields::find(std::string_view key) {
  if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
  const auto member = json_.find(key);
  return member == json_.end() || member->is_null() ? nullptr : &*member;
}

void Fields::refuse(std::string_view key, std::string_view what) const {
  throw Error(kind_, fmt::format("{}: '{}' {}", where_, key, what))
      .at(fmt::format("{}: {}", where_, key));
}

std::string Fields::text(std::string_view key, std::string fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_string()) refuse(key, fmt::format("must be text, found {}", found(*value)));
  return value->get<std::string>();
}

bool Fields::flag(std::string_view key, bool fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) {
    refuse(key, fmt::format("must be true or false, found {}", found(*value)));
  }
  return value->get<bool>();
}

std::int64_t Fields::integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                             std::int64_t high) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number_integer()) {
    refuse(key, fmt::format("must be a whole number, found {}", found(*value)));
  }
  const bool too_big = value->is_number_unsigned() &&
                       value->get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max();
  const auto number = value->get<std::int64_t>();
  if (too_big || number < low || number > high) {
    refuse(key, fmt::format("must be {}, found {}",
                            high == std::numeric_limits<std::int64_t>::max()
                                ? fmt::format("at least {}", low)
                                : fmt::format("from {} to {}", low, high),
                            found(*value)));
  }
  return number;
}

double Fields::number(std::string_view key, double fallback, double low, double high) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number()) refuse(key, fmt::format("must be a number, found {}", found(*value)));
  const auto number = value->get<double>();
  if (!(number >= low && number <= high)) {
    refuse(key, fmt::format("must be {}, found {}",
                            std::isinf(high)  ? fmt::format("at least {}", low)
                            : std::isinf(low) ? fmt::format("at most {}", high)
                                              : fmt::format("from {} to {}", low, high),
                            found(*value)));
  }
  return number;
}

std::vector<std::string> Fields::texts(std::string_view key) {
  const Json* value = find(key);
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get<std::string>()};
  std::vector<std::string> list;
  if (value->is_array()) {
    for (const Json& item : *value) {
      if (item.is_string()) list.push_back(item.get<std::string>());
    }
  }
  if (!value->is_array() || list.size() != value->size()) {
    refuse(key, fmt::format("must be a list of texts, found {}", found(*value)));
  }
  return list;
}

std::string Fields::required_text(std::string_view key) {
  if (find(key) == nullptr) refuse(key, "is missing");
  return text(key);
}

std::int64_t Fields::required_integer(std::string_view key, std::int64_t low, std::int64_t high) {
  if (find(key) == nullptr) refuse(key, "is missing");
  return integer(key, 0, low, high);
}

void Fields::refuse_unknown() const {
  for (const auto& member : json_.items()) {
    if (std::ranges::find(known_, member.key()) != known_.end()) continue;
    Error error(kind_, fmt::format("{}: unknown key '{}'", where_, member.key()));
    error.at(fmt::format("{}: {}", where_, member.key()));
    const std::string near = nearest(member.key(), known_);
    throw near.empty() ? error.try_this(fmt::format("known keys: {}", fmt::join(known_, ", ")))
                       : error.try_this(fmt::format("did you mean '{}'?", near));
  }
}

}  // namespace limbeck

#include "limbeck/text/splitting.h"

#include <algorithm>
#include <array>
#include <utility>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"

namespace limbeck {
namespace {

// Collects matches and fills the gaps between them.
class Collector {
 public:
  void match(std::size_t begin, std::size_t end) {
    if (begin > last_) found_.push_back({last_, begin, false});
    found_.push_back({begin, end, true});
    last_ = end;
  }
  Stretches finish(std::size_t size) {
    if (last_ < size) found_.push_back({last_, size, false});
    return std::move(found_);
  }

 private:
  Stretches found_;
  std::size_t last_ = 0;
};

// A match joins the stretch before it in `order`, unless that one is a match too.
template <typename Order>
Stretches merge_matches(const Order& order, bool forward) {
  Stretches merged;
  bool previous = false;
  for (const Stretch& stretch : order) {
    if (stretch.match && !previous && !merged.empty()) {
      (forward ? merged.back().end : merged.back().begin) = forward ? stretch.end : stretch.begin;
    } else {
      merged.push_back(stretch);
    }
    previous = stretch.match;
  }
  return merged;
}

Stretches join_alike(const Stretches& stretches) {
  Stretches joined;
  for (const Stretch& stretch : stretches) {
    if (!joined.empty() && joined.back().match == stretch.match) {
      joined.back().end = stretch.end;
    } else {
      joined.push_back(stretch);
    }
  }
  return joined;
}

Stretches apply(SplitBehavior behavior, Stretches stretches) {
  switch (behavior) {
    case SplitBehavior::isolated:
      return stretches;
    case SplitBehavior::removed:
      std::erase_if(stretches, [](const Stretch& s) { return s.match; });
      return stretches;
    case SplitBehavior::contiguous:
      return join_alike(stretches);
    case SplitBehavior::merged_with_previous:
      return merge_matches(stretches, true);
    case SplitBehavior::merged_with_next: {
      std::reverse(stretches.begin(), stretches.end());
      Stretches merged = merge_matches(stretches, false);
      std::reverse(merged.begin(), merged.end());
      return merged;
    }
  }
  return stretches;
}

}  // namespace

Stretches stretches_of(const Regex& regex, std::string_view word) {
  Collector collector;
  regex.for_each_match(word,
                       [&](std::size_t begin, std::size_t end) { collector.match(begin, end); });
  return collector.finish(word.size());
}

Stretches stretches_of(std::string_view literal, std::string_view word) {
  Collector collector;
  for (auto at = word.find(literal); at != word.npos;
       at = word.find(literal, at + literal.size())) {
    collector.match(at, at + literal.size());
  }
  return collector.finish(word.size());
}

Stretches stretches_of(const std::function<bool(std::uint32_t)>& wanted, std::string_view word) {
  Collector collector;
  for (std::size_t i = 0; i < word.size();) {
    const CodePoint c = code_point_at(word, i);
    if (wanted(c.value)) collector.match(i, i + c.bytes);
    i += c.bytes;
  }
  return collector.finish(word.size());
}

void split(Words& words, SplitBehavior behavior, bool invert,
           const std::function<Stretches(std::string_view)>& find) {
  std::vector<Words::Range> parts;
  parts.reserve(words.ranges.size());
  for (const auto& range : words.ranges) {
    Stretches stretches = find(words.word(range));
    if (invert) {
      for (Stretch& stretch : stretches) stretch.match = !stretch.match;
    }
    for (const Stretch& part : apply(behavior, std::move(stretches))) {
      if (part.begin < part.end)
        parts.push_back({range.begin + part.begin, range.begin + part.end});
    }
  }
  words.ranges = std::move(parts);
}

SplitBehavior split_behavior(std::string_view name, std::string_view origin) {
  constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kNames = {
      {{"Removed", SplitBehavior::removed},
       {"Isolated", SplitBehavior::isolated},
       {"MergedWithPrevious", SplitBehavior::merged_with_previous},
       {"MergedWithNext", SplitBehavior::merged_with_next},
       {"Contiguous", SplitBehavior::contiguous}}};
  for (const auto& [known, behavior] : kNames) {
    if (known == name) return behavior;
  }
  fail(ErrorKind::format,
       "{}: split behavior '{}' is not one of Removed, Isolated, "
       "MergedWithPrevious, MergedWithNext, Contiguous",
       origin, name);
}

}  // namespace limbeck

#include "limbeck/quantize/allocate.h"

#include <limits>

#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"

namespace limbeck {
namespace {

using Picks = std::vector<std::size_t>;

std::uint64_t bytes_of(const std::vector<std::vector<Choice>>& choices, const Picks& picks) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < picks.size(); ++i) bytes += choices[i][picks[i]].bytes;
  return bytes;
}

// Each item's best at a price per byte; the smaller one on a tie.
Picks best_at_price(const std::vector<std::vector<Choice>>& choices, double price) {
  Picks picks(choices.size());
  for (std::size_t i = 0; i < choices.size(); ++i) {
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < choices[i].size(); ++c) {
      const Choice& choice = choices[i][c];
      const double total = choice.cost + price * static_cast<double>(choice.bytes);
      if (total < best || (total == best && choice.bytes < choices[i][picks[i]].bytes)) {
        best = total;
        picks[i] = c;
      }
    }
  }
  return picks;
}

// One change of one item, or of two at once, that lowers the cost most and stays in the budget.
bool improve(const std::vector<std::vector<Choice>>& choices, std::uint64_t budget, Picks& picks) {
  const std::uint64_t used = bytes_of(choices, picks);
  const auto room = static_cast<std::int64_t>(budget - used);
  struct Move {
    std::size_t item, pick;
    std::int64_t bytes;
    double gain;
  };
  std::vector<Move> moves;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const Choice& now = choices[i][picks[i]];
    for (std::size_t c = 0; c < choices[i].size(); ++c) {
      if (c == picks[i]) continue;
      moves.push_back(
          {i, c,
           static_cast<std::int64_t>(choices[i][c].bytes) - static_cast<std::int64_t>(now.bytes),
           now.cost - choices[i][c].cost});
    }
  }
  double best = 0;
  const Move *first = nullptr, *second = nullptr;
  for (const Move& move : moves) {
    if (move.bytes <= room && move.gain > best) {
      best = move.gain;
      first = &move;
      second = nullptr;
    }
    if (move.gain <= 0) continue;  // a pair needs one that gains, paid for by one that frees bytes
    for (const Move& other : moves) {
      if (other.item == move.item || other.bytes >= 0) continue;
      if (move.bytes + other.bytes <= room && move.gain + other.gain > best) {
        best = move.gain + other.gain;
        first = &move;
        second = &other;
      }
    }
  }
  if (!first) return false;
  picks[first->item] = first->pick;
  if (second) picks[second->item] = second->pick;
  return true;
}

}  // namespace

Picks allocate(const std::vector<std::vector<Choice>>& choices, std::uint64_t budget) {
  Picks smallest(choices.size());
  for (std::size_t i = 0; i < choices.size(); ++i) {
    for (std::size_t c = 0; c < choices[i].size(); ++c) {
      if (choices[i][c].bytes < choices[i][smallest[i]].bytes) smallest[i] = c;
    }
  }
  const std::uint64_t least = bytes_of(choices, smallest);
  if (least > budget) {
    fail_try(ErrorKind::usage, "a larger budget, or a smaller model",
             "the smallest possible has {} bytes of weights ({}), over the budget of {}", least,
             human_bytes(static_cast<double>(least)), budget);
  }
  double low = 0, high = 1;  // prices: at `low` too large, at `high` it fits
  Picks picks = best_at_price(choices, low);
  if (bytes_of(choices, picks) > budget) {
    while (bytes_of(choices, best_at_price(choices, high)) > budget && high < 1e30) high *= 4;
    for (int step = 0; step < 200; ++step) {
      const double middle = (low + high) / 2;
      (bytes_of(choices, best_at_price(choices, middle)) > budget ? low : high) = middle;
    }
    picks = best_at_price(choices, high);
    if (bytes_of(choices, picks) > budget) picks = smallest;
  }
  const std::size_t limit = 4 * choices.size() + 16;  // each step gains: an end in any case
  for (std::size_t step = 0; step < limit && improve(choices, budget, picks); ++step) {
  }
  return picks;
}

}  // namespace limbeck

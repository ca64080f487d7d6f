#include "limbeck/report/svg_labels.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "limbeck/base/utf8.h"
#include "limbeck/report/svg.h"

namespace limbeck::report {
namespace {

constexpr double kCharacter = 6.6, kLine = 14;  // size of a label's text
constexpr std::size_t kLabelCharacters = 26;
constexpr double kStep = 15, kFar = 24;  // between two places; from where a label needs a line
constexpr int kSteps = 8;
constexpr int kOutside = 1000, kOnLabel = 20;

// Their ends tell long names apart.
std::string short_label(const std::string& label) {
  const std::string clean = replace_invalid_utf8(label);
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    if ((static_cast<unsigned char>(clean[i]) & 0xc0) != 0x80) starts.push_back(i);
  }
  if (starts.size() <= kLabelCharacters) return clean;
  const std::size_t half = kLabelCharacters / 2;
  return clean.substr(0, starts[half]) + "\u2026" + clean.substr(starts[starts.size() - half]);
}

std::size_t characters(const std::string& label) {
  return static_cast<std::size_t>(std::ranges::count_if(
      label, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

struct Place {
  double x, y;  // of the text's base line, at its end towards the point
  bool right;   // of the point
  bool far = false;
};

std::vector<Place> places(double x, double y, Labels::Side side) {
  std::vector<Place> found;
  if (side == Labels::Side::above) {
    found = {{x, y - 12, false}, {x, y - 27, false}, {x, y + 20, false}};
  }
  for (int step = 0; step <= kSteps; ++step) {
    for (const double drop : {-kStep * step, kStep * step}) {
      const bool far = kStep * step > kFar;
      const double gap = far ? 18 : 10;
      found.push_back({x + gap, y + 4 + drop, true, far});
      found.push_back({x - gap, y + 4 + drop, false, far});
    }
  }
  return found;
}

}  // namespace

int Labels::cost(const Box& box) const {
  const bool outside = box.left < plot_.left || box.right > plot_.right || box.top < plot_.top ||
                       box.bottom > plot_.bottom;
  int sum = outside ? kOutside : 0;
  for (const Taken& taken : taken_) sum += box.meets(taken.box) ? taken.weight : 0;
  return sum;
}

std::string Labels::place(const std::string& label, double x, double y, Side side) {
  const std::string shown = short_label(label);
  const double width = kCharacter * static_cast<double>(characters(shown));
  Place best{};
  Box best_box{};
  int lowest = std::numeric_limits<int>::max();
  for (const Place& place : places(x, y, side)) {
    const double left = place.right ? place.x : place.x - width;
    const Box box{left, place.y - kLine + 3, left + width, place.y + 3};
    if (const int cost = this->cost(box); cost < lowest)
      lowest = cost, best = place, best_box = box;
  }
  taken_.push_back({best_box, kOnLabel});
  std::string out;
  if (best.far) {
    out = fmt::format(
        "<line class=\"leader\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>", x, y,
        best.right ? best.x - 2 : best.x + 2, best.y - 4);
  }
  return out + fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", best.x,
                           best.y, best.right ? "start" : "end", html_escape(shown));
}

}  // namespace limbeck::report

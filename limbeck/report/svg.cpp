#include "limbeck/report/svg.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "limbeck/base/utf8.h"
#include "limbeck/report/svg_axis.h"

namespace limbeck::report {
namespace {

constexpr double kWidth = 640, kHeight = 360, kLeft = 64, kRight = 24, kTop = 18, kBottom = 54;
constexpr double kCharacter = 6.6, kLine = 14;  // size of a label's text
constexpr std::size_t kLabelCharacters = 26;

struct Box {
  double left, top, right, bottom;
  bool meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

std::string line(double x1, double y1, double x2, double y2, const char* kind) {
  return fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>",
                     kind, x1, y1, x2, y2);
}

std::string text(double x, double y, const char* anchor, const std::string& content) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", x, y, anchor,
                     html_escape(content));
}

// Names too long for a plot are cut in the middle: their ends tell them apart.
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

std::string axes(const Plot& plot, const Axis& x, const Axis& y) {
  std::string out;
  double last = 1e9;
  for (const double value : ticks(y)) {
    if (last - y(value) < 18) continue;
    last = y(value);
    out += line(kLeft, last, kWidth - kRight, last, "grid") +
           text(kLeft - 8, last + 4, "end", short_number(value));
  }
  last = -1e9;
  for (const double value : ticks(x)) {
    if (x(value) - last < 48) continue;  // labels must not touch
    last = x(value);
    const std::string unit = plot.x_unit.empty() ? "" : plot.x_unit;
    out += line(last, kTop, last, kHeight - kBottom, "grid") +
           text(last, kHeight - kBottom + 18, "middle", short_number(value) + unit);
  }
  out += text((kLeft + kWidth - kRight) / 2, kHeight - 10, "middle", plot.x_label);
  out += fmt::format(
      "<text transform=\"translate(16 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
      (kTop + kHeight - kBottom) / 2, html_escape(plot.y_label));
  return out;
}

std::string polyline(const std::vector<std::pair<double, double>>& points, const Axis& x,
                     const Axis& y, std::string_view kind) {
  std::string coordinates;
  for (const auto& [px, py] : points) coordinates += fmt::format("{:.1f},{:.1f} ", x(px), y(py));
  return points.size() > 1
             ? fmt::format("<polyline class=\"{}\" points=\"{}\"/>", kind, coordinates)
             : "";
}

std::string frontier_line(const std::vector<PlotPoint>& points, const Axis& x, const Axis& y) {
  std::vector<std::pair<double, double>> on;
  for (const PlotPoint& point : points) {
    if (point.frontier) on.emplace_back(point.x, point.y);
  }
  std::ranges::sort(on);
  return polyline(on, x, y, "frontier");
}

// Labels beside their points, each where it covers the least of what is drawn.
class Labels {
 public:
  void occupy(const Box& box) { taken_.push_back(box); }

  // `above`: over or under the point where that is free, else beside it.
  std::string place(const std::string& label, double x, double y, bool above) {
    const std::string shown = short_label(label);
    const double width = kCharacter * static_cast<double>(characters(shown));
    struct Place {
      double x, y;
      const char* anchor;
    };
    std::vector<Place> places;
    if (above) places = {{x, y - 12, "end"}, {x, y - 27, "end"}, {x, y + 20, "end"}};
    for (const double drop : {0.0, -15.0, 15.0, -30.0, 30.0, -45.0, 45.0, -60.0, 60.0}) {
      places.push_back({x + 10, y + 4 + drop, "start"});
      places.push_back({x - 10, y + 4 + drop, "end"});
    }
    const Place* best = nullptr;
    Box best_box{};
    int fewest = std::numeric_limits<int>::max();
    for (const Place& place : places) {
      const double left = place.anchor[0] == 's'   ? place.x
                          : place.anchor[0] == 'm' ? place.x - width / 2
                                                   : place.x - width;
      const Box box{left, place.y - kLine + 3, left + width, place.y + 3};
      int covered = box.left < kLeft || box.right > kWidth - 4 || box.top < 2 ||
                            box.bottom > kHeight - kBottom
                        ? 100
                        : 0;
      for (const Box& other : taken_) covered += box.meets(other) ? 1 : 0;
      if (covered < fewest) fewest = covered, best = &place, best_box = box;
    }
    occupy(best_box);
    return text(best->x, best->y, best->anchor, shown);
  }

 private:
  std::vector<Box> taken_;
};

struct Range {
  double low = std::numeric_limits<double>::max(), high = std::numeric_limits<double>::lowest();
  void add(double value) { low = std::min(low, value), high = std::max(high, value); }
};

Axis padded(const Range& range, double share, double from, double to, bool log) {
  if (!log) {
    const double pad = (range.high - range.low) * share + 1e-9;
    return {range.low - pad, range.high + pad, from, to, false};
  }
  const double pad = std::pow(range.high / range.low, share) * 1.02;
  return {range.low / pad, range.high * pad, from, to, true};
}

std::string description(const Plot& plot) {
  std::string out;
  for (const PlotPoint& point : plot.points) {
    out += fmt::format("{}: {:.4g} ({:.4g} to {:.4g}) at {}{}. ", point.label, point.y, point.low,
                       point.high, short_number(point.x), plot.x_unit);
  }
  for (const PlotLine& line : plot.lines) {
    if (line.label.empty() || line.points.empty()) continue;
    out += fmt::format("{}: from {:.4g} to {:.4g}. ", line.label, line.points.front().second,
                       line.points.back().second);
  }
  return out;
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : replace_invalid_utf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
    }
  }
  return out;
}

Way way_of(std::string_view role) noexcept {
  if (role == "original") return Way::original;
  if (role == "quantized") return Way::quantized;
  if (role == "distilled") return Way::distilled;
  return role == "distilled+quantized" ? Way::both : Way::other;
}

std::string_view name(Way way) noexcept {
  constexpr std::string_view kNames[] = {"original", "quantized", "distilled",
                                         "distilled + quantized", "other"};
  return kNames[static_cast<std::size_t>(way)];
}

std::string mark_svg(Way way, double x, double y, bool filled) {
  constexpr std::string_view kClasses[] = {"w0", "w1", "w2", "w3", "w4"};
  const auto kind =
      fmt::format("mark {} {}", kClasses[static_cast<std::size_t>(way)], filled ? "on" : "off");
  switch (way) {
    case Way::quantized:
      return fmt::format("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"9\" height=\"9\"/>",
                         kind, x - 4.5, y - 4.5);
    case Way::distilled:
      return fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}l6 6l-6 6l-6 -6z\"/>", kind, x,
                         y - 6);
    case Way::both:
      return fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}l6.5 11h-13z\"/>", kind, x, y - 6.5);
    default:
      return fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\"/>", kind, x, y);
  }
}

void mark_frontier(std::vector<PlotPoint>& points, bool small_x) {
  for (PlotPoint& point : points) {
    point.frontier = std::ranges::none_of(points, [&](const PlotPoint& other) {
      const double gain = small_x ? point.x - other.x : other.x - point.x;
      return (other.y >= point.y && gain > 0) || (other.y > point.y && gain >= 0);
    });
  }
}

std::string plot_svg(const Plot& plot) {
  Range x_range, y_range;
  for (const PlotPoint& point : plot.points) {
    x_range.add(point.x), y_range.add(point.low), y_range.add(point.high);
  }
  for (const PlotLine& each : plot.lines) {
    for (const auto& [px, py] : each.points) x_range.add(px), y_range.add(py);
  }
  if (x_range.low > x_range.high) return {};
  const Axis x =
      padded(x_range, plot.points.empty() ? 0.02 : 0.08, kLeft, kWidth - kRight, plot.log_x);
  const Axis y = padded(y_range, 0.1, kHeight - kBottom, kTop, plot.log_y);

  std::string out = fmt::format(
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{}-t {}-d\"><title "
      "id=\"{}-t\">{}</title><desc id=\"{}-d\">{}</desc>",
      kWidth, kHeight, plot.id, plot.id, plot.id, html_escape(plot.title), plot.id,
      html_escape(description(plot)));
  out += axes(plot, x, y);
  Labels labels;
  for (const PlotLine& each : plot.lines)
    out += polyline(each.points, x, y, fmt::format("curve w{}", static_cast<int>(each.way)));
  out += frontier_line(plot.points, x, y);
  for (const PlotPoint& point : plot.points) {
    const double px = x(point.x), py = y(point.y);
    labels.occupy({px - 7, py - 7, px + 7, py + 7});
    labels.occupy({px - 2, y(point.high), px + 2, y(point.low)});
    out += line(px, y(point.low), px, y(point.high), "bar") +
           line(px - 4, y(point.low), px + 4, y(point.low), "bar") +
           line(px - 4, y(point.high), px + 4, y(point.high), "bar");
  }
  for (const PlotPoint& point : plot.points)
    out += mark_svg(point.way, x(point.x), y(point.y), point.frontier || point.filled);
  for (const PlotPoint& point : plot.points) {
    if (point.named) out += labels.place(point.label, x(point.x), y(point.y), false);
  }
  for (const PlotLine& each : plot.lines) {
    if (!each.label.empty() && !each.points.empty())
      out +=
          labels.place(each.label, x(each.points.back().first), y(each.points.back().second), true);
  }
  return out + "</svg>";
}

}  // namespace limbeck::report

#include "limbeck/report/svg.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "limbeck/base/utf8.h"
#include "limbeck/report/svg_axis.h"
#include "limbeck/report/svg_labels.h"

namespace limbeck::report {
namespace {

constexpr double kWidth = 640, kHeight = 360, kLeft = 74, kRight = 24, kTop = 18, kBottom = 54;

std::string line(double x1, double y1, double x2, double y2, const char* kind) {
  return fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>",
                     kind, x1, y1, x2, y2);
}

std::string text(double x, double y, const char* anchor, const std::string& content) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", x, y, anchor,
                     html_escape(content));
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
  Labels labels({kLeft, 2, kWidth - 4, kHeight - kBottom});
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
    if (point.named) out += labels.place(point.label, x(point.x), y(point.y), Labels::Side::beside);
  }
  for (const PlotLine& each : plot.lines) {
    if (!each.label.empty() && !each.points.empty())
      out += labels.place(each.label, x(each.points.back().first), y(each.points.back().second),
                          Labels::Side::above);
  }
  return out + "</svg>";
}

}  // namespace limbeck::report

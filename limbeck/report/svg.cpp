#include "limbeck/report/svg.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "limbeck/base/utf8.h"

namespace limbeck::report {
namespace {

constexpr double kWidth = 640, kHeight = 360, kLeft = 64, kRight = 24, kTop = 20, kBottom = 52;

// Maps values to the plot's units along one axis.
struct Axis {
  double low, high, from, to;
  bool log;
  double operator()(double value) const {
    const double a = log ? std::log10(value) : value, l = log ? std::log10(low) : low,
                 h = log ? std::log10(high) : high;
    return from + (to - from) * (h > l ? (a - l) / (h - l) : 0.5);
  }
};

// "1.5k", "300", "0.25", "12M": three significant digits.
std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e9) return fmt::format("{:.3g}G", value / 1e9);
  if (size >= 1e6) return fmt::format("{:.3g}M", value / 1e6);
  if (size >= 1e3) return fmt::format("{:.3g}k", value / 1e3);
  return fmt::format("{:.3g}", value);
}

std::vector<double> ticks(const Axis& axis) {
  std::vector<double> values;
  if (axis.log) {
    for (double decade = std::pow(10, std::floor(std::log10(axis.low))); decade <= axis.high;
         decade *= 10) {
      for (const double step : {1.0, 2.0, 5.0}) {
        if (decade * step >= axis.low && decade * step <= axis.high)
          values.push_back(decade * step);
      }
    }
    return values;
  }
  const double range = axis.high - axis.low;
  if (!(range > 0)) return {axis.low};
  const double raw = range / 5, power = std::pow(10, std::floor(std::log10(raw)));
  const double step = power * (raw / power < 1.5   ? 1
                               : raw / power < 3.5 ? 2
                               : raw / power < 7.5 ? 5
                                                   : 10);
  for (double value = std::ceil(axis.low / step) * step; value <= axis.high + step * 1e-9;
       value += step)
    values.push_back(value);
  return values;
}

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
  for (const double value : ticks(y)) {
    out += line(kLeft, y(value), kWidth - kRight, y(value), "grid") +
           text(kLeft - 8, y(value) + 4, "end", short_number(value));
  }
  double last = -1e9;
  for (const double value : ticks(x)) {
    if (x(value) - last < 44) continue;  // labels must not touch
    last = x(value);
    out += line(last, kTop, last, kHeight - kBottom, "grid") +
           text(last, kHeight - kBottom + 18, "middle", short_number(value));
  }
  out += text((kLeft + kWidth - kRight) / 2, kHeight - 10, "middle", plot.x_label);
  out += fmt::format(
      "<text transform=\"translate(16 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
      (kTop + kHeight - kBottom) / 2, html_escape(plot.y_label));
  return out;
}

std::string frontier_line(const std::vector<PlotPoint>& points, const Axis& x, const Axis& y) {
  std::vector<const PlotPoint*> on;
  for (const PlotPoint& point : points) {
    if (point.frontier) on.push_back(&point);
  }
  std::ranges::sort(on, {}, [](const PlotPoint* point) { return point->x; });
  std::string coordinates;
  for (const PlotPoint* point : on)
    coordinates += fmt::format("{:.1f},{:.1f} ", x(point->x), y(point->y));
  return on.size() > 1 ? fmt::format("<polyline class=\"frontier\" points=\"{}\"/>", coordinates)
                       : "";
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
        if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
    }
  }
  return out;
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
  if (plot.points.empty()) return {};
  double x_low = plot.points[0].x, x_high = x_low, y_low = plot.points[0].low,
         y_high = plot.points[0].high;
  for (const PlotPoint& point : plot.points) {
    x_low = std::min(x_low, point.x), x_high = std::max(x_high, point.x);
    y_low = std::min(y_low, point.low), y_high = std::max(y_high, point.high);
  }
  const double x_pad =
      plot.log_x ? std::pow(x_high / x_low, 0.08) * 1.02 : (x_high - x_low) * 0.08 + 1e-9;
  const double y_pad = (y_high - y_low) * 0.12 + 1e-9;
  const Axis x{plot.log_x ? x_low / x_pad : x_low - x_pad,
               plot.log_x ? x_high * x_pad : x_high + x_pad, kLeft, kWidth - kRight, plot.log_x};
  const Axis y{y_low - y_pad, y_high + y_pad, kHeight - kBottom, kTop, false};

  std::string out =
      fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\"><title>{}</title>",
                  kWidth, kHeight, html_escape(plot.title), html_escape(plot.title));
  out += axes(plot, x, y) + frontier_line(plot.points, x, y);
  std::vector<double> taken;  // heights of labels drawn so far, so that near ones are pushed apart
  for (const PlotPoint& point : plot.points) {
    const double px = x(point.x), py = y(point.y);
    out += line(px, y(point.low), px, y(point.high), "bar");
    out += fmt::format(
        "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\"><title>{}: {:.4g} at "
        "{:.4g}</title></circle>",
        point.frontier ? "on" : "off", px, py, html_escape(point.label), point.y, point.x);
    double label_y = py - 10;
    while (std::ranges::any_of(taken, [&](double other) { return std::abs(other - label_y) < 13; }))
      label_y += 13;
    taken.push_back(label_y);
    const bool right = px > kWidth * 0.7;
    out += text(right ? px - 9 : px + 9, label_y, right ? "end" : "start", point.label);
  }
  return out + "</svg>";
}

}  // namespace limbeck::report

// Inline SVG plots: points with error bars and a frontier, and lines. Coloured by CSS classes, no
// script.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace limbeck::report {

// Text for HTML and SVG content and attribute values. Control characters become U+FFFD.
std::string html_escape(std::string_view text);

// How a model came about: each way has a colour and a shape of its own.
enum class Way : std::uint8_t { original, quantized, distilled, both, other };
Way way_of(std::string_view role) noexcept;  // "distilled+quantized" -> both
std::string_view name(Way way) noexcept;     // for the legend: "distilled + quantized"

struct PlotPoint {
  std::string label;
  double x = 0, y = 0, low = 0, high = 0;  // low <= y <= high: the error bar
  Way way = Way::other;
  bool frontier = false;  // drawn filled, joined by a dashed line
  bool filled = false;    // drawn filled whether on the frontier or not
  bool named = true;      // its label is written beside it; the description names it in any case
};

struct PlotLine {
  std::string label;  // empty: not written at its end
  Way way = Way::other;
  std::vector<std::pair<double, double>> points;  // by rising x
};

struct Plot {
  std::string id;  // unique on the page
  std::string title, x_label, y_label;
  std::string x_unit;  // after the numbers on the axis: "B", "s"; may be empty
  bool log_x = true, log_y = false;
  std::vector<PlotPoint> points;  // x > 0 if log_x
  std::vector<PlotLine> lines;
};

// An <svg> element of 640 x 360 units that scales with its container, with a title and a
// description that names every point for screen readers. Empty if there is nothing to draw.
std::string plot_svg(const Plot& plot);

// The mark of a way at a place, as in plots: for legends.
std::string mark_svg(Way way, double x, double y, bool filled);

// Marks the points that no other point beats: at least as good in y with better x (smaller if
// `small_x`, else larger), or better in y at no worse x.
void mark_frontier(std::vector<PlotPoint>& points, bool small_x);

}  // namespace limbeck::report

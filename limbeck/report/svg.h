// Inline SVG scatter plots: accuracy against size, speed or bits, with error bars and the frontier.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace limbeck::report {

// Text for HTML and SVG content and attribute values. Control characters become U+FFFD.
std::string html_escape(std::string_view text);

struct PlotPoint {
  std::string label;
  double x = 0, y = 0, low = 0, high = 0;  // low <= y <= high: the error bar
  bool frontier = false;                   // drawn filled, joined by a line
};

struct Plot {
  std::string title, x_label, y_label;
  bool log_x = true;
  std::vector<PlotPoint> points;  // x > 0 if log_x
};

// An <svg> element of 640 x 360 units that scales with its container, readable by screen readers
// (title and description), coloured by CSS variables. Empty if there is no point.
std::string plot_svg(const Plot& plot);

// Marks the points that no other point beats: at least as good in y with better x (smaller if
// `small_x`, else larger), or better in y at no worse x.
void mark_frontier(std::vector<PlotPoint>& points, bool small_x);

}  // namespace limbeck::report

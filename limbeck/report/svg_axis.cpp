#include "limbeck/report/svg_axis.h"

#include <fmt/core.h>

#include <cmath>

namespace limbeck::report {

double Axis::operator()(double value) const {
  const double a = log ? std::log10(value) : value, l = log ? std::log10(low) : low,
               h = log ? std::log10(high) : high;
  return from + (to - from) * (h > l ? (a - l) / (h - l) : 0.5);
}

std::vector<double> ticks(const Axis& axis) {
  std::vector<double> values;
  // Less than a decade holds too few of 1, 2, 5.
  if (axis.log && axis.high / axis.low > 8) {
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
  for (double n = std::ceil(axis.low / step); n * step <= axis.high + step * 1e-9; ++n)
    values.push_back(n * step);
  return values;
}

std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e9) return fmt::format("{:.3g}G", value / 1e9);
  if (size >= 1e6) return fmt::format("{:.3g}M", value / 1e6);
  if (size >= 1e3) return fmt::format("{:.3g}k", value / 1e3);
  return size < 1e-12 ? "0" : fmt::format("{:.3g}", value);
}

}  // namespace limbeck::report

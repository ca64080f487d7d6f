// One axis of a plot: values to units of the picture, and where its ticks stand.
#pragma once

#include <string>
#include <vector>

namespace limbeck::report {

struct Axis {
  double low, high, from, to;  // values at its ends, and their places
  bool log;                    // low > 0
  double operator()(double value) const;
};

// Rising, inside the axis: 1, 2, 5 of each decade, or about five round steps.
std::vector<double> ticks(const Axis& axis);

// "1.5k", "300", "0.25", "12M": three significant digits.
std::string short_number(double value);

}  // namespace limbeck::report

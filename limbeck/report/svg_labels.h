// Names beside what they name in a plot, none over another.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace limbeck::report {

// In the units of the plot; y grows downwards.
struct Box {
  double left, top, right, bottom;
  bool meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

class Labels {
 public:
  enum class Side { beside, above };

  explicit Labels(const Box& plot) : plot_(plot) {}

  // Something drawn there, which labels rather do not cover.
  void occupy(const Box& box) { taken_.push_back({box, 1}); }

  // SVG of the label of a point: where it covers the least; one that had to go far has a line that
  // leads to its point. Names too long for a plot are cut in the middle.
  std::string place(const std::string& label, double x, double y, Side side);

 private:
  struct Taken {
    Box box;
    int weight;  // how bad it is to cover it
  };

  int cost(const Box& box) const;

  Box plot_;
  std::vector<Taken> taken_;
};

}  // namespace limbeck::report

// What the server counts and times, as Prometheus text (exposition format 0.0.4).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace limbeck::serve {

// How often something took how long.
struct Histogram {
  // Upper ends in seconds; what takes longer falls into the last count.
  static constexpr std::array kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                         0.5,   1.0,    2.5,   5.0,  10.0,  30.0, 60.0};
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  double sum = 0;

  void add(double seconds) noexcept;
};

struct EngineStats;

// Under our names, and where vLLM's dashboards know the thing under its name too.
std::string metrics_text(const EngineStats& stats);

}  // namespace limbeck::serve

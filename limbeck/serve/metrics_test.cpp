#include "limbeck/serve/metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "limbeck/serve/engine.h"

namespace limbeck::serve {
namespace {

TEST(Metrics, AHistogramCountsEachTimeOnce) {
  Histogram histogram;
  for (const double seconds : {0.0, 0.001, 0.0011, 0.7, 61.0, 1e9}) histogram.add(seconds);
  EXPECT_EQ(histogram.counts[0], 2u);  // a bound belongs to the bucket it ends
  EXPECT_EQ(histogram.counts[1], 1u);
  EXPECT_EQ(histogram.counts[9], 1u);
  EXPECT_EQ(histogram.counts.back(), 2u);
  EXPECT_DOUBLE_EQ(histogram.sum, 0.0021 + 0.7 + 61 + 1e9);
}

// As promtool reads it: HELP and TYPE before each family, each family once, buckets that rise to
// the count.
TEST(Metrics, TheTextIsWellFormed) {
  EngineStats stats;
  stats.jobs = 3;
  stats.running = 2;
  for (int i = 0; i < 5; ++i) stats.first_token_s.add(0.02 * i);
  std::istringstream lines(metrics_text(stats));
  std::map<std::string, std::string> types, values;
  std::string help, family;
  double last_bucket = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string mark, what, name, rest;
    if (line.starts_with("# ")) {
      words >> mark >> what >> name >> rest;
      if (what == "HELP") help = name;
      if (what != "TYPE") continue;
      EXPECT_EQ(name, help);
      EXPECT_TRUE(types.emplace(name, rest).second) << name << " twice";
      family = name;
      last_bucket = 0;
      continue;
    }
    ASSERT_TRUE(line.starts_with(family)) << line;
    words >> name >> rest;
    EXPECT_TRUE(words.eof()) << line;
    EXPECT_TRUE(values.emplace(name, rest).second) << line;
    if (name.find("_bucket{le=\"") == name.npos) continue;
    EXPECT_GE(std::stod(rest), last_bucket) << line;
    last_bucket = std::stod(rest);
  }
  EXPECT_EQ(values["limbeck_jobs_total"], "3");
  EXPECT_EQ(values["vllm:num_requests_running"], "2");
  for (const char* name : {"limbeck_first_token_seconds", "vllm:time_to_first_token_seconds"}) {
    EXPECT_EQ(types[name], "histogram");
    EXPECT_EQ(values[std::string(name) + "_bucket{le=\"0.025\"}"], "2");
    EXPECT_EQ(values[std::string(name) + "_bucket{le=\"+Inf\"}"], "5");
    EXPECT_EQ(values[std::string(name) + "_count"], "5");
    EXPECT_EQ(values[std::string(name) + "_sum"], "0.2");
  }
}

}  // namespace
}  // namespace limbeck::serve

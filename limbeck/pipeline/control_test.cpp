#include "limbeck/pipeline/control.h"

#include <gtest/gtest.h>

namespace limbeck::pipeline {
namespace {

// n items of which the first `right` are right.
std::vector<double> scores(int n, int right) {
  std::vector<double> out(static_cast<std::size_t>(n), 0);
  std::fill_n(out.begin(), right, 1);
  return out;
}

TEST(Control, SaysWhetherSoftLabelsHelped) {
  const Json yes = judge_soft_labels("accuracy", {{1, scores(200, 160), scores(200, 130)}}, 1);
  EXPECT_EQ(yes["helped"], "yes");
  EXPECT_NEAR(yes["difference"]["value"].get<double>(), 0.15, 1e-12);
  EXPECT_GT(yes["difference"]["low"].get<double>(), 0);
  EXPECT_EQ(yes["difference"]["test"], "McNemar, exact");
  EXPECT_TRUE(yes["sentence"].get<std::string>().starts_with("Soft labels helped: +15.0 points"));
  const Json no = judge_soft_labels("accuracy", {{1, scores(200, 130), scores(200, 160)}}, 1);
  EXPECT_EQ(no["helped"], "no");
  EXPECT_NE(no["sentence"].get<std::string>().find("did harm"), std::string::npos);
  const Json same = judge_soft_labels("accuracy", {{1, scores(200, 131), scores(200, 130)}}, 1);
  EXPECT_EQ(same["helped"], "not shown");
  EXPECT_NE(same["sentence"].get<std::string>().find("not shown to help"), std::string::npos);
}

TEST(Control, SeedsAreAveragedItemByItem) {
  // Each seed alone gains where the other loses: together there is nothing.
  const Json json = judge_soft_labels(
      "accuracy", {{1, scores(100, 60), scores(100, 50)}, {2, scores(100, 50), scores(100, 60)}},
      1);
  EXPECT_EQ(json["helped"], "not shown");
  EXPECT_NEAR(json["difference"]["value"].get<double>(), 0, 1e-12);
  EXPECT_EQ(json["seeds"].size(), 2u);
  EXPECT_EQ(json["seeds"][1]["without"], 0.6);
  EXPECT_EQ(json["difference"]["test"], "paired bootstrap");
}

TEST(Control, WithoutControlThereIsNoVerdict) {
  const Json json = judge_soft_labels("accuracy", {{1, scores(10, 5), {}}}, 1);
  EXPECT_FALSE(json.contains("helped"));
  EXPECT_EQ(json["with"]["value"], 0.5);
}

}  // namespace
}  // namespace limbeck::pipeline

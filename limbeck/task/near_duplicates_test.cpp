#include "limbeck/task/near_duplicates.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/format/rows.h"

namespace limbeck {
namespace {

TEST(NearDuplicates, CaseAndPunctuationDoNotCount) {
  NearDuplicates seen(0.9);
  seen.add("I want to book a table for two.");
  const auto found = seen.find("i want to BOOK a table, for two!");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->index, 0u);
  EXPECT_EQ(found->similarity, 1);
  EXPECT_FALSE(seen.find("I want to cancel my table for two."));
  EXPECT_FALSE(seen.find(""));
}

TEST(NearDuplicates, TheMostSimilarIsFound) {
  NearDuplicates seen(0.5);
  seen.add("where is my parcel from last week now");
  seen.add("where is my parcel from last monday now");
  EXPECT_EQ(seen.find("where is my parcel from last monday")->index, 1u);
}

TEST(NearDuplicates, ThresholdsOutsideTheRangeAreRefused) {
  for (const double bad : {0.0, -1.0, 1.1}) EXPECT_THROW(NearDuplicates{bad}, Error) << bad;
}

// The bands must not miss what the exact similarity finds.
TEST(NearDuplicates, BandsMissNothingSimilar) {
  Random random(3);
  const auto sentence = [&](int words) {
    std::string text;
    for (int i = 0; i < words; ++i) text += "word" + std::to_string(random.below(400)) + " ";
    return text;
  };
  NearDuplicates seen(0.7);
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i) seen.add(texts.emplace_back(sentence(12)));
  int similar = 0, found = 0;
  for (const std::string& text : texts) {
    const std::string changed = text + "and two more";
    if (NearDuplicates::similarity(text, changed) < 0.7) continue;
    ++similar;
    found += seen.find(changed).has_value();
  }
  EXPECT_GT(similar, 400);
  EXPECT_EQ(found, similar);
}

// How much of BANKING77's test set stands in its training set, and how often the label agrees:
// what the default threshold rests on (docs/distillation.md).
TEST(NearDuplicates, Banking77) {
  const char* data = std::getenv("LIMBECK_TEST_DATA");
  const std::filesystem::path folder =
      std::filesystem::path(data ? data : "../shared/data") / "tasks/banking77";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no LIMBECK_TEST_DATA";
  const auto train = read_rows(folder / "train.csv"), test = read_rows(folder / "test.csv");
  int before = 0;
  for (const double threshold : {0.95, 0.9, 0.8, 0.7, 0.6}) {
    NearDuplicates seen(threshold);
    int repeated = 0;
    for (const Row& row : train) {
      repeated += seen.find(row.value["text"].get<std::string>()).has_value();
      seen.add(row.value["text"].get<std::string>());
    }
    int leaked = 0, same = 0;
    for (const Row& row : test) {
      const auto found = seen.find(row.value["text"].get<std::string>());
      if (!found) continue;
      ++leaked;
      same += train[found->index].value["category"] == row.value["category"];
    }
    std::printf(
        "similarity %.2f: %d of %zu test texts stand in train, %d of them with its label; %d of "
        "%zu "
        "training texts repeat an earlier one\n",
        threshold, leaked, test.size(), same, repeated, train.size());
    EXPECT_GE(leaked, before);
    before = leaked;
  }
  EXPECT_GT(before, 0);
}

}  // namespace
}  // namespace limbeck

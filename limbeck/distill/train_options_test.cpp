#include "limbeck/distill/train_options.h"

#include <gtest/gtest.h>

namespace limbeck::distill {
namespace {

TEST(TrainOptions, SurviveTheirRecord) {
  TrainOptions options;
  options.loss = Loss::skew_kl;
  options.learning_rate = 0.25;
  options.epochs = 7;
  options.lora = {8, 16, {"q", "v"}};
  options.hidden = {0.5, true, {{1, 2}}};
  options.attention = {2, "qv", 4, {{1, 3}, {2, 6}}};
  Json json = to_json(options);
  json.erase("seed");
  Fields fields(json, "test");
  const TrainOptions read_back = read_train_options(fields, {});
  fields.refuse_unknown();
  EXPECT_EQ(to_json(read_back).at("loss"), "skew_kl");
  EXPECT_EQ(read_back.learning_rate, 0.25);
  EXPECT_EQ(read_back.epochs, 7);
  for (const char* key : {"lora", "hidden", "attention"}) {
    EXPECT_EQ(to_json(read_back).at(key), to_json(options).at(key));
  }
}

}  // namespace
}  // namespace limbeck::distill

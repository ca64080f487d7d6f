#include "limbeck/distill/train_options.h"

#include <gtest/gtest.h>

#include "limbeck/base/error.h"

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
  options.quantize = {"q2_k", 0.25, 3};
  Json json = to_json(options);
  json.erase("seed");
  Fields fields(json, "test");
  const TrainOptions read_back = read_train_options(fields, {});
  fields.refuse_unknown();
  EXPECT_EQ(to_json(read_back).at("loss"), "skew_kl");
  EXPECT_EQ(read_back.learning_rate, 0.25);
  EXPECT_EQ(read_back.epochs, 7);
  for (const char* key : {"lora", "hidden", "attention", "quantize"}) {
    EXPECT_EQ(to_json(read_back).at(key), to_json(options).at(key));
  }
}

TEST(TrainOptions, QuantizeIsATypeOrMore) {
  const auto read = [](const Json& quantize) {
    const Json json = {{"quantize", quantize}};
    Fields fields(json, "test");
    return read_train_options(fields).quantize;
  };
  EXPECT_EQ(read("q3_k_m").type, "q3_k_m");
  EXPECT_EQ(read("q3_k_m").share, 0.5);
  EXPECT_EQ(read({{"type", "q2_k"}, {"share", 1}, {"every", 4}}).every, 4);
  EXPECT_THROW(read({{"type", "q2_k"}, {"evry", 4}}), Error);
  EXPECT_THROW(read({{"share", 0.5}}), Error);
}

}  // namespace
}  // namespace limbeck::distill

#include "limbeck/pipeline/advise.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/pipeline/compare.h"
#include "limbeck/pipeline/expectations.h"
#include "limbeck/pipeline/recipe.h"
#include "limbeck/pipeline/small_model_test.h"
#include "limbeck/quantize/quantize.h"
#include "limbeck/report/results.h"
#include "limbeck/runtime/random_model.h"

namespace limbeck::pipeline {
namespace {

using report::at;

AdviseInput llama_7b() {
  AdviseInput input;
  input.model = "no-such-model";
  Architecture& a = input.architecture;
  a.vocab_size = 32000, a.context_length = 4096, a.hidden = 4096, a.layers = 32, a.heads = 32,
  a.kv_heads = 32, a.head_dim = 128, a.ffn = 11008;
  a.rope_dim = 128, a.attention_scale = 0.088;
  return input;
}

Task intents(std::size_t n_train) {
  Task task;
  task.name = "intents";
  task.kind = TaskKind::classification;
  for (int i = 0; i < 77; ++i) task.labels.push_back("intent_" + std::to_string(i));
  for (std::size_t i = 0; i < n_train; ++i)
    task.train.push_back({"I am still waiting on my card?", "intent_1", ""});
  for (int i = 0; i < 50; ++i)
    task.test.push_back({"What can I do if my card has not arrived?", "intent_1", ""});
  return task;
}

MachineLimits two_cores() {
  return {.read_bandwidth = 20e9,
          .cache_bandwidth = 80e9,
          .int8_products = 4e11,
          .memory_bytes = 16e9,
          .train_flops = 3e11};
}

std::string kind_of(const Json& advice) {
  return advice.at("options")[0].at("kind").get<std::string>();
}

const Json& best(const Json& advice) { return advice.at("options")[0]; }

bool says(const Json& list, std::string_view words) {
  return to_text(list).find(words) != std::string::npos;
}

// The six situations that the advice must tell apart.

TEST(Advise, AGeneralistOnALaptopIsQuantizedToFitMemory) {
  const Json advice = advise(llama_7b(), {.max_memory = 8e9, .general = true}, two_cores());
  EXPECT_EQ(best(advice).at("plan"), "quantize to q4_k_m");
  EXPECT_TRUE(best(advice).at("fits").get<bool>());
  EXPECT_LE(best(advice).at("memory_needed_bytes").get<double>(), 8e9);
  for (const Json& option : advice.at("options")) EXPECT_FALSE(option.contains("shape"));
  EXPECT_TRUE(says(best(advice).at("reasons"), "stays a generalist"));
  EXPECT_TRUE(says(advice.at("advice").at("would_change"), "giving up generality"));
}

TEST(Advise, ANarrowTaskAtHighRateIsDistilledAndQuantized) {
  AdviseInput input = llama_7b();
  input.task = intents(10'000);
  const Json advice = advise(input, {.min_items_per_s = 1000, .gpu_hours = 100}, two_cores());
  EXPECT_EQ(kind_of(advice), "both");
  EXPECT_TRUE(best(advice).at("fits").get<bool>()) << to_text(best(advice));
  EXPECT_GE(best(advice).at("items_per_s").get<double>(), 1000);
  for (const Json& option : advice.at("options")) {
    EXPECT_TRUE(option.at("kind") != "quantize" || !option.at("fits").get<bool>());
  }
  EXPECT_TRUE(says(best(advice).at("reasons"), "narrow task"));
  EXPECT_TRUE(says(advice.at("advice").at("would_change"), "--general"));
}

TEST(Advise, WithoutTrainingDataNothingIsDistilled) {
  AdviseInput input = llama_7b();
  input.task = intents(0);
  const Json advice = advise(input, {.gpu_hours = 100}, two_cores());
  EXPECT_EQ(kind_of(advice), "quantize");
  EXPECT_TRUE(says(advice.at("advice").at("would_change"), "training inputs"));
  bool said = false;
  for (const Json& option : advice.at("options"))
    said = said || says(option.at("against"), "0 training inputs are too few");
  EXPECT_TRUE(said);
}

TEST(Advise, OneHourOfOneGpuTrainsOnWhatFitsIt) {
  AdviseInput input = llama_7b();
  input.task = intents(400'000);
  const AdviseLimits hour{.gpu_hours = 1, .gpu = "T4"};
  const Json advice = advise(input, hour, two_cores());
  EXPECT_EQ(kind_of(advice), "both");
  const Json& training = best(advice).at("training");
  EXPECT_LE(training.at("gpu_hours").get<double>(), 1.0001);
  EXPECT_EQ(training.at("gpu"), "T4");
  EXPECT_LT(training.at("inputs").get<double>(), 400'000);
  EXPECT_TRUE(says(best(advice).at("reasons"), "fit the hours"));
  EXPECT_TRUE(says(advice.at("advice").at("would_change"), "more hours"));
  // Seconds are not enough for anything.
  EXPECT_EQ(kind_of(advise(input, {.gpu_hours = 1e-5}, two_cores())), "quantize");
}

TEST(Advise, ASmallFileNeedsASpecialist) {
  AdviseInput input = llama_7b();
  input.task = intents(10'000);
  const Json advice = advise(input, {.max_bytes = 300e6, .gpu_hours = 100}, two_cores());
  EXPECT_EQ(kind_of(advice), "both");
  EXPECT_LE(best(advice).at("bytes").get<double>(), 300e6);
  const Json impossible = advise(llama_7b(), {.max_bytes = 300e6}, two_cores());
  EXPECT_TRUE(says(impossible.at("advice").at("sentence"), "Nothing meets every limit"));
  EXPECT_TRUE(says(impossible.at("advice").at("would_change"), "distilled specialist"));
}

TEST(Advise, AFourBitFileIsKept) {
  AdviseInput input = llama_7b();
  input.bits_per_weight = 4.8;
  const Json advice = advise(input, {}, two_cores());
  EXPECT_EQ(kind_of(advice), "keep");
  EXPECT_TRUE(says(best(advice).at("reasons"), "already"));
  EXPECT_TRUE(says(advice.at("advice").at("would_change"), "16-bit original"));
  for (const Json& option : advice.at("options")) {
    if (option.at("kind") == "keep") continue;
    EXPECT_LT(option.at("bits_per_weight").get<double>(), 4.8);
    EXPECT_TRUE(says(option.at("reasons"), "original instead"));
  }
}

TEST(Advise, UnknownAcceleratorsAreRefusedWithTheNearest) {
  try {
    find_accelerator("RTX 4900");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.remedy().find("RTX 4090"), std::string::npos);
  }
}

TEST(Advise, EveryExpectationHasItsSource) {
  AdviseInput input = llama_7b();
  input.task = intents(10'000);
  for (const Json& option : advise(input, {.gpu_hours = 10}, two_cores()).at("options"))
    EXPECT_FALSE(option.at("quality").at("source").get<std::string>().empty());
}

// Predictions against what is really written and run.

class Predictions : public testing::Test {
 protected:
  Predictions()
      : folder_(std::filesystem::path(testing::TempDir()) /
                ("limbeck-predictions-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder_);
  }
  ~Predictions() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
  ThreadPool pool_{1};
};

TEST_F(Predictions, SizesAreWithinOnePercent) {
  write_small_model(folder_ / "model", 1, 256);
  const AdviseInput input = read_advise_input(folder_ / "model", {}, {});
  const Json advice = advise(input, {}, two_cores());
  const Checkpoint checkpoint = Checkpoint::open(folder_ / "model");
  int checked = 0;
  for (const Json& option : advice.at("options")) {
    if (option.at("kind") != "quantize") continue;
    QuantizeOptions options;
    options.type = option.at("type").get<std::string>();
    // The mixes of the advice are those of a calibrated model.
    options.method = QuantizeMethod::imatrix;
    options.calibration_texts = {std::string(8000, 'a')};
    const double bytes =
        static_cast<double>(quantize_model(checkpoint, folder_ / "out.gguf", options, pool_).bytes);
    EXPECT_NEAR(option.at("bytes").get<double>() / bytes, 1, 0.01) << options.type;
    ++checked;
  }
  EXPECT_GE(checked, 5);
}

TEST_F(Predictions, MemoryIsWithinFivePercent) {
  Architecture a = llama_7b().architecture;
  a.vocab_size = 4096, a.context_length = 160, a.hidden = 512, a.layers = 6, a.heads = 8,
  a.kv_heads = 4, a.head_dim = 64, a.rope_dim = 64, a.ffn = 1536, a.tied_embeddings = true;
  a.rope_style = RopeStyle::interleaved, a.attention_scale = 0.125;
  std::filesystem::create_directories(folder_);
  write_random_model(folder_ / "model.gguf", a, TensorType::q8_0, 1);
  const AdviseInput input = read_advise_input(folder_ / "model.gguf", {}, {});
  const Json predicted = advise(input, {.context = 160}, two_cores());
  const Json advice = advise(input, {.context = 160}, two_cores(), &pool_, 1);
  CompareOptions options;
  options.models = {{"", (folder_ / "model.gguf").string(), "", ""}};
  options.speed_s = 0.01;
  const double measured = compare(options, pool_).at("models")[0].at("peak_bytes").get<double>();
  int checked = 0;
  for (const Json* of : {&predicted, &advice}) {
    for (const Json& option : of->at("options")) {
      if (option.at("kind") != "keep") continue;
      ++checked;
      EXPECT_NEAR(option.at("memory_bytes").get<double>() / measured, 1, 0.05) << measured;
    }
  }
  EXPECT_EQ(checked, 2);
}

TEST_F(Predictions, TheRecipeIsOneThatRunReads) {
  AdviseInput input = llama_7b();
  write_colours(folder_ / "colours", 20);
  input.task = intents(10'000);
  const Json advice = advise(input, {.gpu_hours = 100}, two_cores());
  write_file(folder_ / "recipe.yaml", recipe_of(advice, input, folder_ / "colours"));
  const Recipe recipe = read_recipe(folder_ / "recipe.yaml");
  EXPECT_EQ(recipe.task, folder_ / "colours");
  ASSERT_TRUE(recipe.student.has_value());
  EXPECT_EQ(recipe.quantize.size(), 1u);
  input.task = intents(0);  // quantized alone
  const Json alone = advise(input, {}, two_cores());
  write_file(folder_ / "recipe.yaml", recipe_of(alone, input, folder_ / "colours"));
  const Recipe quantizing = read_recipe(folder_ / "recipe.yaml");
  EXPECT_FALSE(quantizing.student.has_value());
  ASSERT_EQ(quantizing.quantize.size(), 1u);
  EXPECT_TRUE(quantizing.quantize[0].of_teacher);
  EXPECT_EQ(quantizing.quantize[0].form.type, best(alone).at("type"));
}

TEST(Advise, OwnMeasurementsComeFirst) {
  AdviseInput input = llama_7b();
  input.results.push_back(
      {{"created", "2026-01-01"},
       {"models",
        Json::array({{{"name", "m"}, {"path", "no-such-model"}, {"role", "original"}},
                     {{"name", "m-q4_k_m"},
                      {"role", "quantized"},
                      {"tasks",
                       Json::array({{{"task", "t"},
                                     {"primary", "accuracy"},
                                     {"metrics",
                                      {{"accuracy",
                                        {{"value", 0.9}, {"low", 0.8}, {"high", 0.95}}}}}}})}}})}});
  const Json advice = advise(input, {}, two_cores());
  for (const Json& option : advice.at("options")) {
    const bool is_measured =
        option.at("quality").at("source").get<std::string>().starts_with("measured here");
    EXPECT_EQ(is_measured, option.at("type") == "q4_k_m");
  }
}

}  // namespace
}  // namespace limbeck::pipeline

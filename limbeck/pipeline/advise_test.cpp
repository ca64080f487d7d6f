#include "limbeck/pipeline/advise.h"

#include <gtest/gtest.h>

#include "limbeck/pipeline/advise_student.h"
#include "limbeck/report/results.h"

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
  return {.read_bandwidth = 20e9, .memory_bytes = 8e9, .train_flops = 3e11};
}

std::string kind_of(const Json& advice) {
  return advice.at("options")[0].at("kind").get<std::string>();
}

TEST(Advise, AGeneralistOnALaptopIsQuantizedToFitMemory) {
  const Json advice = advise(llama_7b(), {.max_memory = 8e9, .general = true}, two_cores());
  EXPECT_EQ(kind_of(advice), "quantize");
  EXPECT_TRUE(advice.at("options")[0].at("fits").get<bool>());
  EXPECT_LE(advice.at("options")[0].at("memory_bytes").get<double>(), 8e9);
  for (const Json& option : advice.at("options")) EXPECT_EQ(option.at("kind"), "quantize");
}

TEST(Advise, ANarrowTaskAtHighRateIsDistilled) {
  AdviseInput input = llama_7b();
  input.task = intents(10'000);
  const Json advice = advise(input, {.min_items_per_s = 100, .gpu_hours = 100}, two_cores());
  EXPECT_NE(kind_of(advice), "quantize");
  for (const Json& option : advice.at("options")) {
    EXPECT_TRUE(option.at("kind") != "quantize" || !option.at("fits").get<bool>());
  }
}

TEST(Advise, WithoutTrainingDataNothingIsDistilled) {
  AdviseInput input = llama_7b();
  input.task = intents(0);
  const Json advice = advise(input, {.gpu_hours = 100}, two_cores());
  EXPECT_EQ(kind_of(advice), "quantize");
  EXPECT_NE(to_text(advice.at("advice").at("would_change")).find("training inputs"),
            std::string::npos);
}

TEST(Advise, TrainingThatDoesNotFitTheBudgetIsSaid) {
  AdviseInput input = llama_7b();
  input.task = intents(1'000'000);
  const Json advice = advise(input, {.gpu_hours = 0.001}, two_cores());
  EXPECT_EQ(kind_of(advice), "quantize");
  bool said = false;
  for (const Json& option : advice.at("options")) {
    for (const Json& against : option.at("against"))
      said = said || against.get<std::string>().find("accelerator hours") != std::string::npos;
  }
  EXPECT_TRUE(said);
}

TEST(Advise, ASmallFileNeedsASpecialist) {
  AdviseInput input = llama_7b();
  input.task = intents(10'000);
  const Json advice = advise(input, {.max_bytes = 300e6, .gpu_hours = 100}, two_cores());
  EXPECT_EQ(kind_of(advice), "both");
  EXPECT_LE(advice.at("options")[0].at("bytes").get<double>(), 300e6);
  const Json impossible = advise(llama_7b(), {.max_bytes = 300e6}, two_cores());
  EXPECT_NE(
      impossible.at("advice").at("sentence").get<std::string>().find("Nothing meets every limit"),
      std::string::npos);
}

TEST(Advise, AFourBitFileIsNotRoundedAgainSilently) {
  AdviseInput input = llama_7b();
  input.bits_per_weight = 4.8;
  const Json advice = advise(input, {}, two_cores());
  for (const Json& option : advice.at("options")) {
    EXPECT_LT(option.at("bits_per_weight").get<double>(), 4.8);
    EXPECT_NE(to_text(option.at("reasons")).find("already"), std::string::npos);
  }
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

TEST(Advise, StudentShapesComeNearTheirTarget) {
  const Architecture teacher = llama_7b().architecture;
  for (const double target : {3e7, 1e8, 3.5e8}) {
    const Architecture student = student_shape(teacher, target);
    EXPECT_NEAR(static_cast<double>(parameter_count(student)) / target, 1, 0.25) << target;
    EXPECT_EQ(student.hidden % 32, 0);
    EXPECT_EQ(student.heads % student.kv_heads, 0);
  }
}

}  // namespace
}  // namespace limbeck::pipeline

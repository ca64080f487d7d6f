#include "limbeck/pipeline/advise_student.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "limbeck/base/atomic_file.h"
#include "limbeck/pipeline/expectations.h"
#include "limbeck/pipeline/recipe.h"
#include "limbeck/pipeline/run.h"
#include "limbeck/pipeline/small_model_test.h"

namespace limbeck::pipeline {
namespace {

Architecture llama_1b() {
  Architecture a;
  a.vocab_size = 32000, a.context_length = 4096, a.hidden = 2048, a.layers = 16, a.heads = 32;
  a.kv_heads = 8, a.head_dim = 64, a.ffn = 8192, a.rope_dim = 64, a.attention_scale = 0.125;
  a.tied_embeddings = true;
  return a;
}

AdviseInput with_task(TaskKind kind) {
  AdviseInput input;
  input.model = "no-such-model";
  input.architecture = llama_1b();
  input.task.emplace();
  input.task->name = "task";
  input.task->kind = kind;
  const Json output = {{"order", "17"}};
  if (kind == TaskKind::extraction)
    input.task->schema = {{"type", "object"}, {"properties", {{"order", {{"type", "string"}}}}}};
  for (int i = 0; i < 2000; ++i)
    input.task->train.push_back({"my order 17 has not arrived", output, ""});
  input.task->test = {{"where is order 4?", output, ""}};
  return input;
}

constexpr MachineLimits kMachine{.read_bandwidth = 20e9,
                                 .cache_bandwidth = 80e9,
                                 .int8_products = 4e11,
                                 .memory_bytes = 64e9,
                                 .train_flops = 3e11};

TEST(AdviseStudent, FreshShapesComeNearTheirTarget) {
  const Architecture teacher = llama_1b();
  for (const double target : {3e7, 1e8, 3.5e8}) {
    const Architecture student = student_shape(teacher, target);
    EXPECT_NEAR(static_cast<double>(parameter_count(student)) / target, 1, 0.25) << target;
    EXPECT_EQ(student.hidden % 32, 0);
    EXPECT_EQ(student.heads % student.kv_heads, 0);
  }
}

TEST(AdviseStudent, CutsComeNearTheirTargetAndLieInTheTeacher) {
  Architecture teacher = llama_1b();
  EXPECT_TRUE(can_be_cut(teacher));
  for (const double target : {1e7, 6e7, 3e8}) {
    const distill::CutShape shape = cut_shape(teacher, target);
    const Architecture student = cut_architecture(teacher, shape);
    EXPECT_NEAR(static_cast<double>(parameter_count(student)) / target, 1, 0.25) << target;
    EXPECT_LE(shape.layers, teacher.layers);
    EXPECT_LE(shape.ffn, teacher.ffn);
    EXPECT_EQ(shape.hidden % 32, 0);
    EXPECT_EQ(shape.heads % 4, 0);  // whole groups
  }
  teacher.embedding_scale = 45;  // what cut_student refuses
  EXPECT_FALSE(can_be_cut(teacher));
}

TEST(AdviseStudent, ARiskGrowsWithWhatWasLostAndWithTheDistance) {
  EXPECT_EQ(student_risk(TaskKind::extraction, true, 20), 0);
  EXPECT_EQ(student_risk(TaskKind::extraction, true, 60), 1);
  EXPECT_EQ(student_risk(TaskKind::extraction, true, 1000), 2);
  EXPECT_EQ(student_risk(TaskKind::qa, false, 20), 2);  // it never learnt to copy
  EXPECT_EQ(student_risk(TaskKind::classification, false, 50), 1);
  EXPECT_EQ(student_risk(TaskKind::generation, true, 20), 1);  // nothing measured
}

TEST(AdviseStudent, WhereAnswersAreCopiedTheStudentIsCutOutOfItsTeacher) {
  const AdviseInput input = with_task(TaskKind::extraction);
  const AdviseLimits limits{.gpu_hours = 10};
  const Json advice = advise(input, limits, kMachine);
  const Json& best = advice.at("options")[0];
  EXPECT_EQ(best.at("start"), "cut");
  EXPECT_NE(best.at("plan").get<std::string>().find("cut out of it"), std::string::npos);
  EXPECT_TRUE(best.at("quality").at("source").get<std::string>().starts_with(kStudentSource));
  // Surest first: no more than 1.5 times what was measured.
  EXPECT_LT(static_cast<double>(parameter_count(input.architecture)) /
                best.at("parameters").get<double>(),
            1.5 * 19);
  // The training between the rounds is counted.
  const Student fresh{student_shape(input.architecture, best.at("parameters").get<double>()), {}};
  const auto cost =
      training_cost(*input.task, 2000, input.architecture, fresh, kMachine, limits.gpu);
  EXPECT_GT(best.at("training").at("tokens").get<double>(), 1.5 * cost.tokens);
  // A teacher that does not fit into memory cannot be cut here.
  MachineLimits small = kMachine;
  small.memory_bytes = 2e9;
  for (const Json& option : advise(input, limits, small).at("options")) {
    if (option.value("start", "") != "cut") continue;
    EXPECT_NE(to_text(option.at("against")).find("the whole teacher in memory"), std::string::npos);
  }
}

// The size of a student's file, predicted before anything is trained, against the one that the
// advised recipe makes.
TEST(AdviseStudent, TheSizeOfAStudentIsWithinOnePercent) {
  const auto folder = std::filesystem::path(testing::TempDir()) /
                      ("limbeck-advise-student-" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  write_colours(folder / "colours", 4);
  write_small_model(folder / "model", 1, 256);
  const AdviseInput input = read_advise_input(folder / "model", folder / "colours", {});
  Json advice = advise(input, {}, kMachine);
  int checked = 0;
  for (const char* start : {"cut", "fresh"}) {
    for (const Json& option : Json(advice.at("options"))) {
      if (option.value("start", "") != start || option.at("type") != "q4_k_m") continue;
      advice["options"][0] = option;
      write_file(folder / "recipe.yaml", recipe_of(advice, input, folder / "colours"));
      Recipe recipe = read_recipe(folder / "recipe.yaml");
      recipe.teacher_style = PromptStyle::bare;
      recipe.gate = 0;  // its weights are random
      recipe.distill.epochs = 1;
      recipe.compare_speed_s = 0;
      RunOptions options;
      options.recipe = folder / "recipe.yaml";
      options.folder = folder / start;
      ThreadPool pool(1);
      run(recipe, options, pool);
      const auto bytes = static_cast<double>(
          std::filesystem::file_size(folder / start / "models/student-q4_k_m.gguf"));
      EXPECT_NEAR(option.at("bytes").get<double>() / bytes, 1, 0.01) << start;
      ++checked;
    }
  }
  EXPECT_GE(checked, 2);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace limbeck::pipeline

#include "limbeck/pipeline/run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "limbeck/base/atomic_file.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/pipeline/small_model_test.h"

namespace limbeck::pipeline {
namespace {

struct RunTest : testing::Test {
  RunTest() {
    std::filesystem::remove_all(folder);
    write_colours(folder / "task", 6);
    write_small_model(folder / "model", 1, 64);
  }
  ~RunTest() override { std::filesystem::remove_all(folder); }

  Json run_recipe(const std::string& text) {
    write_file(folder / "recipe.yaml", text);
    RunOptions options;
    options.recipe = folder / "recipe.yaml";
    options.folder = folder / "run";
    return run(read_recipe(options.recipe), options, pool);
  }

  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("limbeck-run-" + std::to_string(::getpid()));
  ThreadPool pool{1};
};

TEST_F(RunTest, WithoutAStudentTheModelIsQuantizedAndCompared) {
  const Json results = run_recipe(
      "task: task\nteacher: {model: model}\nquantize: [{type: q4_0}, {type: q8_0}]\n"
      "compare: {bits: [5], speed_seconds: 0}\n");
  std::vector<std::string> names;
  for (const Json& model : results.at("models")) names.push_back(model.at("name"));
  EXPECT_EQ(names, (std::vector<std::string>{"original", "original-q5_k_m", "original-q4_0",
                                             "original-q8_0"}));
  for (const Json& model : results.at("models"))
    EXPECT_EQ(model.at("role"), model.at("name") == "original" ? "original" : "quantized");
  const Checkpoint small = Checkpoint::open(folder / "run/models/original-q4_0.gguf");
  EXPECT_LT(small.file_bytes(), Checkpoint::open(folder / "model").file_bytes());
  EXPECT_TRUE(std::filesystem::exists(folder / "run/report.html"));
  EXPECT_FALSE(std::filesystem::exists(folder / "run/teacher")) << "nothing is labelled";
}

}  // namespace
}  // namespace limbeck::pipeline

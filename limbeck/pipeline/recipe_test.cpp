#include "limbeck/pipeline/recipe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"

namespace limbeck::pipeline {
namespace {

struct RecipeTest : testing::Test {
  std::filesystem::path file = std::filesystem::temp_directory_path() /
                               ("limbeck_recipe_" + std::to_string(::getpid())) / "recipe.yaml";
  void TearDown() override { std::filesystem::remove_all(file.parent_path()); }
  Recipe read(const std::string& text) {
    write_file(file, text);
    return read_recipe(file);
  }
  std::string error_of(const std::string& text) {
    try {
      read(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return std::string(error.what()) + " / " + error.remedy();
    }
    ADD_FAILURE() << "accepted: " << text;
    return {};
  }
};

constexpr const char* kGood =
    "task: tasks/a\nteacher: {model: big}\nstudent: {shape: {hidden: 64, layers: 2, heads: 4}}\n";

TEST_F(RecipeTest, PathsAreRelativeToTheRecipe) {
  const Recipe recipe = read(kGood);
  EXPECT_EQ(recipe.task, file.parent_path() / "tasks/a");
  EXPECT_EQ(recipe.teacher, (file.parent_path() / "big").string());
  EXPECT_EQ(recipe.name, "a");
  EXPECT_EQ(recipe.student.shape->head_dim, 16);
  EXPECT_EQ(recipe.label.signal, Signal::top_k);
}

TEST_F(RecipeTest, ResolvedIsTheSameForTheSameRecipe) {
  EXPECT_EQ(read(kGood).resolved, read(kGood).resolved);
  EXPECT_NE(read(kGood).resolved, read(std::string(kGood) + "seed: 2\n").resolved);
}

TEST_F(RecipeTest, EndpointsAreNotPaths) {
  EXPECT_EQ(read("task: t\nteacher: {model: 'http://127.0.0.1:8080/v1#m'}\nstudent: {model: s}\n")
                .teacher,
            "http://127.0.0.1:8080/v1#m");
}

TEST_F(RecipeTest, MistakesAreNamedWithARemedy) {
  EXPECT_NE(error_of("teacher: {model: t}\nstudent: {model: s}\n").find("task"), std::string::npos);
  EXPECT_NE(error_of("task: t\nteachr: {model: t}\nstudent: {model: s}\n").find("teacher"),
            std::string::npos);
  EXPECT_NE(error_of(std::string(kGood) + "distil: {}\n").find("distill"), std::string::npos);
  EXPECT_NE(error_of(std::string(kGood) + "distill: {los: jsd}\n").find("loss"), std::string::npos);
  EXPECT_NE(error_of(std::string(kGood) + "distill: {loss: revers_kl}\n").find("reverse_kl"),
            std::string::npos);
  EXPECT_NE(error_of("task: t\nteacher: {model: t}\nstudent: {}\n").find("'model' or 'shape'"),
            std::string::npos);
  EXPECT_NE(error_of("task: t\nteacher: {model: t}\nstudent: {shape: {hidden: 64, layers: 2, "
                     "heads: 4, kv_heads: 3}}\n")
                .find("kv_heads"),
            std::string::npos);
  EXPECT_NE(error_of("task: ${LIMBECK_SURELY_UNSET}/t\nteacher: {model: t}\nstudent: {model: s}\n")
                .find("LIMBECK_SURELY_UNSET"),
            std::string::npos);
  EXPECT_NE(error_of(std::string(kGood) + "label: {signal: loud}\n").find("loud"),
            std::string::npos);
  EXPECT_NE(error_of(std::string(kGood) + "quantize: [{type: q4_0, of: me}]\n").find("quantize[0]"),
            std::string::npos);
}

}  // namespace
}  // namespace limbeck::pipeline

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
  EXPECT_EQ(recipe.student->shape->head_dim, 16);
  EXPECT_EQ(recipe.label.signal, Signal::top_k);
}

TEST_F(RecipeTest, ResolvedIsTheSameForTheSameRecipe) {
  EXPECT_EQ(read(kGood).resolved, read(kGood).resolved);
  EXPECT_NE(read(kGood).resolved, read(std::string(kGood) + "seed: 2\n").resolved);
}

TEST_F(RecipeTest, AStudentTrainedForATypeIsStoredInIt) {
  const auto steps = [&](const char* quantize) {
    return read(std::string(kGood) + "distill: {quantize: Q3_K}\n" + quantize).quantize;
  };
  ASSERT_EQ(steps("").size(), 1u);  // a step of its own
  EXPECT_EQ(steps("")[0].form.type, "q3_k_m");
  EXPECT_FALSE(steps("")[0].of_teacher);
  const auto two = steps("quantize: [{type: q4_0}, {type: q3_k_m}]\n");
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1].name, "q3_k_m");
  const auto both = steps("quantize: [{type: q3_k_m, method: gptq}]\n");
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].name, "q3_k_m-gptq");  // a file each
  EXPECT_EQ(both[1].name, "q3_k_m");
  EXPECT_NE(error_of(std::string(kGood) + "distill: {quantize: q3_km}\n").find("q3_k_m"),
            std::string::npos);
}

TEST_F(RecipeTest, ATeachersTrainingRowsAreJudgedWhereItSaysSo) {
  const auto text = [](const std::string& keys) {
    return "task: t\nteacher: {train: {start: {shape: {hidden: 64, layers: 2, heads: 4}}" + keys +
           "}}\nstudent: {model: s}\n";
  };
  const Recipe plain = read(text("")), judged = read(text(", cross_fit: {folds: 3, rounds: 2}"));
  EXPECT_EQ(plain.teacher_training->cross_fit.folds, 0);
  EXPECT_EQ(judged.teacher_training->cross_fit.folds, 3);
  EXPECT_EQ(judged.teacher_training->cross_fit.rounds, 2);
  EXPECT_EQ(read(text(", cross_fit: {}")).teacher_training->cross_fit.folds, 4);
  EXPECT_NE(plain.resolved.at("teacher"), judged.resolved.at("teacher")) << "another teacher";
  EXPECT_NE(error_of(text(", cross_fit: {fold: 3}")).find("folds"), std::string::npos);
}

TEST_F(RecipeTest, EndpointsAreNotPaths) {
  EXPECT_EQ(read("task: t\nteacher: {model: 'http://127.0.0.1:8080/v1#m'}\nstudent: {model: s}\n")
                .teacher,
            "http://127.0.0.1:8080/v1#m");
}

TEST_F(RecipeTest, AnEndpointHasItsBudget) {
  const char* text =
      "task: t\nteacher: {endpoint: 'http://127.0.0.1:8080/v1', model: big, api_key_env: MY_KEY, "
      "max_requests: 10, max_cost: 2.5, price_prompt: 0.1, price_answer: 0.4, rpm: 60, tpm: 9000}\n"
      "student: {shape: {hidden: 64, layers: 2, heads: 4}}\n";
  const Recipe recipe = read(text);
  EXPECT_EQ(recipe.teacher, "http://127.0.0.1:8080/v1#big");
  EXPECT_EQ(recipe.budget.key_variable, "MY_KEY");
  EXPECT_EQ(recipe.budget.max_requests, 10);
  EXPECT_EQ(recipe.budget.max_cost, 2.5);
  EXPECT_EQ(recipe.budget.tokens_per_minute, 9000);
  EXPECT_EQ(recipe.label.signal, Signal::text) << "its tokens are in no known vocabulary";
  EXPECT_NE(error_of(std::string(text) + "label: {signal: top_k}\n").find("tokenizer"),
            std::string::npos);
  EXPECT_NE(
      error_of("task: t\nteacher: {endpoint: 'http://h/v1', max_cost: 1}\nstudent: {model: s}\n")
          .find("price"),
      std::string::npos);
  EXPECT_EQ(read("task: t\nteacher: {endpoint: 'http://h/v1'}\nstudent: {model: s}\n").label.signal,
            Signal::top_k);
}

TEST_F(RecipeTest, StudentsAreCutOutOfTheirTeacher) {
  const Recipe recipe = read(
      "task: t\nteacher: {model: big}\nstudent: {from: teacher, layers: 2, ffn: 96, "
      "vocabulary: task}\nseeds: [4, 5]\n");
  ASSERT_TRUE(recipe.student->cut);
  EXPECT_EQ(recipe.student->cut->shape.layers, 2);
  EXPECT_EQ(recipe.student->cut->shape.hidden, 0);
  EXPECT_TRUE(recipe.student->task_vocabulary);
  EXPECT_EQ(recipe.seeds, (std::vector<std::uint64_t>{4, 5}));
  const auto refused = [&](const char* student, const char* word) {
    EXPECT_NE(error_of(std::string("task: t\nteacher: {model: big}\nstudent: ") + student + "\n")
                  .find(word),
              std::string::npos)
        << student;
  };
  refused("{from: big, layers: 2}", "teacher");
  refused("{model: s, layers: 2}", "from: teacher");
  refused("{from: teacher, model: s}", "either");
  refused("{model: s}\nseeds: [1, 1]", "twice");
  EXPECT_NE(error_of("task: t\nteacher: {endpoint: 'http://h/v1'}\nstudent: {from: teacher}\n")
                .find("cut out of an endpoint"),
            std::string::npos);
}

TEST_F(RecipeTest, WithoutAStudentTheTeacherIsQuantized) {
  const Recipe recipe = read(
      "task: t\nteacher: {model: big}\nquantize: [{type: Q4_K_M}, {bpw: 3.5}, {size: 300MB, "
      "method: "
      "gptq}]\ncompare: {bits: [8, '4', 3.5, q2_k]}\n");
  EXPECT_FALSE(recipe.student);
  ASSERT_EQ(recipe.quantize.size(), 3u);
  for (const QuantizeStep& step : recipe.quantize) EXPECT_TRUE(step.of_teacher);
  EXPECT_EQ(recipe.quantize[0].form.label(), "q4_k_m");
  EXPECT_EQ(recipe.quantize[1].form.label(), "3.5bpw");
  EXPECT_EQ(recipe.quantize[2].form.label(), "300MB");
  EXPECT_EQ(recipe.compare_bits, (std::vector<std::string>{"8", "4", "3.5", "q2_k"}));
  const auto refused = [&](const char* rest, const char* word) {
    EXPECT_NE(error_of(std::string("task: t\nteacher: {model: big}\n") + rest + "\n").find(word),
              std::string::npos)
        << rest;
  };
  refused("name: a", "student: is missing");
  refused("quantize: [{type: q4_0, of: student}]", "the recipe has none");
  refused("quantize: [{type: q4_0, bpw: 3}]", "one of 'type', 'bpw' and 'size'");
  refused("quantize: [{type: q4_9}]", "q4_9");
  refused("quantize: [{type: q4_0}, {type: q4_0}]", "stands there twice");
  refused("quantize: [{type: q4_0}]\nlabel: {k: 3}", "without a 'student'");
  refused("compare: {bits: [0.2]}", "0.2");
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

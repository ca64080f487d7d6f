// What training options ask of teacher and task: refusals with their reasons, and whole small runs.
#include "limbeck/pipeline/train_student.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "limbeck/base/error.h"
#include "limbeck/pipeline/small_model_test.h"

namespace limbeck::pipeline {
namespace {

struct TrainStudent : testing::Test {
  TrainStudent() {
    std::filesystem::remove_all(folder);
    write_colours(folder / "task", 3);
    write_small_model(folder / "teacher", 1);
    write_small_model(folder / "student", 2, 16);
    task = read_task(folder / "task");
    task.train.resize(8);
    for (const Example& example : task.train) {
      TeacherAnswer answer;
      answer.text = answer_text(task, *example.output);
      answers.push_back(answer);
    }
    tokenizer.emplace(Tokenizer::open(folder / "student"));
    options.max_steps = 4;
    options.batch_tokens = 64;
    options.threads = 1;
  }
  ~TrainStudent() override { std::filesystem::remove_all(folder); }

  distill::TrainResult train() {
    RowSet set = answer_rows(*tokenizer, task, task.train, answers, PromptStyle::bare, 64, false);
    EXPECT_EQ(set.example.size(), set.rows.size());
    const distill::Start start{folder / "student", {}};
    return train_by_options(
        {start, teacher, *tokenizer, task, task.train, answers, set, options, {}, folder / "out"},
        nullptr, pool);
  }
  std::string refusal() {
    try {
      train();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "trained";
  }

  std::filesystem::path folder = std::filesystem::temp_directory_path() /
                                 ("limbeck-train-student-" + std::to_string(::getpid()));
  std::string teacher = (folder / "teacher").string();
  Task task;
  std::vector<TeacherAnswer> answers;
  std::optional<Tokenizer> tokenizer;
  distill::TrainOptions options;
  ThreadPool pool{1};
};

TEST_F(TrainStudent, OnPolicyIsRefusedWithItsReason) {
  options.on_policy.share = 0.5;
  EXPECT_NE(refusal().find("not offered for classification"), std::string::npos);
  task.kind = TaskKind::generation;
  teacher = "http://127.0.0.1:1/v1#m";
  EXPECT_NE(refusal().find("is an endpoint"), std::string::npos);
}

TEST_F(TrainStudent, OnPolicyRunsOnAGenerativeTask) {
  if (!distill::can_train()) GTEST_SKIP() << "no trainer in this build";
  task.kind = TaskKind::generation;
  options.on_policy.share = 0.5;
  options.on_policy.max_tokens = 6;
  EXPECT_EQ(train().steps, 4);
}

TEST_F(TrainStudent, RolloutsDependOnTheSeedAlone) {
  ThreadPool two{2};
  const std::vector<std::vector<TokenId>> prompts{tokenizer->encode("item 1"),
                                                  tokenizer->encode("item 2 of")};
  const distill::RolloutRequest request{.max_tokens = 8, .temperature = 1, .seed = 5};
  const auto first = rollout_by_runtime(pool)(folder / "student", prompts, request);
  EXPECT_EQ(first, rollout_by_runtime(two)(folder / "student", prompts, request));
  EXPECT_NE(first, rollout_by_runtime(pool)(folder / "student", prompts,
                                            {.max_tokens = 8, .temperature = 1, .seed = 6}));
}

TEST_F(TrainStudent, LossAcrossVocabulariesAndLayersRun) {
  if (!distill::can_train()) GTEST_SKIP() << "no trainer in this build";
  options.loss = distill::Loss::uld;
  EXPECT_EQ(train().steps, 4);
  options.loss = distill::Loss::forward_kl;
  options.hidden.weight = 1;
  EXPECT_EQ(train().steps, 4);
}

}  // namespace
}  // namespace limbeck::pipeline

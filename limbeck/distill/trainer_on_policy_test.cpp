// Training on the student's own answers.
#include <fstream>

#include "limbeck/distill/trainer_fixture_test.h"

namespace limbeck::distill {
namespace {

// Answers that depend on the model, the prompt and the seed alone.
Rollout fake_rollout(int& calls) {
  return [&calls](const fs::path& model, std::span<const std::vector<TokenId>> prompts,
                  const RolloutRequest& request) {
    ++calls;
    EXPECT_TRUE(fs::exists(model / "config.json"));
    std::vector<std::vector<TokenId>> answers;
    for (const auto& prompt : prompts) {
      Random random(request.seed, static_cast<std::uint64_t>(prompt.back()));
      std::vector<TokenId> answer(1 + random.below(4));
      for (auto& token : answer) token = static_cast<TokenId>(random.below(60));
      answers.push_back(std::move(answer));
    }
    return answers;
  };
}

TEST_F(Trainer, OnPolicyPhaseResumesToTheSameWeights) {
  options.epochs = 4;
  train(fresh(32), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  options.on_policy.share = 0.5;
  options.on_policy.lambda = 0.7;
  options.on_policy.teacher_loss = Loss::skew_kl;
  options.on_policy.refresh = 5;
  options.epochs = 2;
  for (const bool pair : {false, true}) {
    options.checkpoint_folder.clear();
    options.on_policy.pair = pair;
    options.on_policy.loss = pair ? Loss::skew_reverse_kl : Loss::reverse_kl;
    int calls = 0;
    const auto rollout = fake_rollout(calls);
    const DevMetric dev = [](const fs::path&) { return 1.0; };
    train_on_policy(fresh(), folder / "teacher", rollout, tokenizer, rows, options, dev,
                    folder / "whole", nullptr);
    EXPECT_GE(calls, 2);
    options.checkpoint_folder = folder / "checkpoints";
    options.checkpoint_seconds = 0;
    int evaluations = 0;
    const DevMetric dies = [&](const fs::path&) -> double {
      if (++evaluations == 3) throw std::runtime_error("killed");  // within a round
      return 1.0;
    };
    EXPECT_THROW(train_on_policy(fresh(), folder / "teacher", rollout, tokenizer, rows, options,
                                 dies, folder / "parts", nullptr),
                 std::runtime_error);
    EXPECT_TRUE(train_on_policy(fresh(), folder / "teacher", rollout, tokenizer, rows, options,
                                dies, folder / "parts", nullptr)
                    .resumed);
    EXPECT_EQ(weights("whole"), weights("parts"));
  }
  EXPECT_THROW(train(fresh(), tokenizer, rows, options, {}, folder / "x", nullptr), Error);
}

TEST_F(Trainer, OnItsOwnAnswersTheStudentFollowsTheTeacher) {
  // Answers as a student would give that knows the rule; the rows' own are wrong and never seen.
  options.epochs = 10;
  train(fresh(32), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  options.on_policy.share = options.on_policy.lambda = options.on_policy.learning_rate_ratio = 1;
  options.on_policy.refresh = 0;
  options.epochs = 15;
  const Rollout follow = [&](const fs::path&, std::span<const std::vector<TokenId>> prompts,
                             const RolloutRequest&) {
    std::vector<std::vector<TokenId>> answers;
    for (const auto& prompt : prompts) {
      std::vector<TokenId> answer;
      for (int i = 1; i < 20; ++i) {
        answer.push_back(static_cast<TokenId>((prompt.back() + 3 * i) % 60));
      }
      answers.push_back(std::move(answer));
    }
    return answers;
  };
  auto wrong = rows;
  for (auto& row : wrong) {
    for (auto i = static_cast<std::size_t>(row.first_target); i < row.tokens.size(); ++i) {
      row.tokens[i] = 5;
    }
  }
  train_on_policy(fresh(), folder / "teacher", follow, tokenizer, wrong, options, {},
                  folder / "student", nullptr);
  EXPECT_LT(mean_loss(folder / "student", rows), 1.5);
}

TEST_F(Trainer, ATeacherMayHaveItsOwnPrompt) {
  train(fresh(32), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  auto asked = rows;
  for (auto& row : asked) {
    row.teacher_prompt.assign(row.tokens.begin(), row.tokens.begin() + row.first_target);
  }
  options.epochs = 1;
  train_from_teacher(fresh(), folder / "teacher", tokenizer, rows, options, {}, folder / "a",
                     nullptr);
  train_from_teacher(fresh(), folder / "teacher", tokenizer, asked, options, {}, folder / "b",
                     nullptr);
  EXPECT_EQ(weights("a"), weights("b"));
  for (auto& row : asked) row.teacher_prompt.push_back(7);
  train_from_teacher(fresh(), folder / "teacher", tokenizer, asked, options, {}, folder / "b",
                     nullptr);
  EXPECT_NE(weights("a"), weights("b"));
}

}  // namespace
}  // namespace limbeck::distill

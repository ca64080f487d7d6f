// A real model as teacher: its soft labels against its own log-probabilities, and resumption.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <numeric>

#include "limbeck/base/error.h"
#include "limbeck/teacher/answer.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/teacher/label.h"
#include "limbeck/teacher/teacher.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

class LocalTeacherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* set = std::getenv("LIMBECK_TEST_DATA");
    const fs::path data =
        set != nullptr ? fs::path(set) : fs::path(LIMBECK_SOURCE_DIR) / "../shared/data";
    path_ = data / "models/TinyStories-656K";
    if (!fs::exists(path_)) {
      GTEST_SKIP() << "the shared models are not here (set LIMBECK_TEST_DATA)";
    }
    checkpoint_ = std::make_unique<Checkpoint>(Checkpoint::open(path_));
    model_ = std::make_unique<Model>(*checkpoint_);
    task_.name = "stories";
    task_.kind = TaskKind::classification;
    task_.labels = {"dog", "cat", "a red ball"};
    for (const char* text : {"Once upon a time there was a", "Tom had a", "Lily saw a big"}) {
      examples_.push_back({text, std::nullopt, ""});
    }
    request_.style = PromptStyle::bare;
  }

  std::vector<TeacherAnswer> ask(const LabelRequest& request) {
    return label(*local_teacher(*model_, pool_), task_, examples_, request, nullptr);
  }

  // log p of each token of the answer and of every token after it, by a forward pass of its own.
  std::vector<std::vector<float>> logprobs_of(const Example& example, const TeacherAnswer& answer) {
    auto tokens = task_prompt(checkpoint_->tokenizer(), task_, example.input, PromptStyle::bare);
    const std::size_t first = tokens.size() - 1;
    tokens.insert(tokens.end(), answer.ids.begin(), answer.ids.end());
    Decoder decoder(*model_, pool_);
    const auto logits = decoder.forward(tokens, true);
    const auto vocab = static_cast<std::size_t>(model_->architecture().vocab_size);
    std::vector<std::vector<float>> out;
    for (std::size_t i = first; i < tokens.size(); ++i) {
      out.emplace_back(vocab);
      log_softmax(logits.subspan(i * vocab, vocab), out.back());
    }
    return out;
  }

  fs::path path_;
  ThreadPool pool_{1};
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Model> model_;
  Task task_;
  std::vector<Example> examples_;
  LabelRequest request_;
};

TEST_F(LocalTeacherTest, ConstrainedAnswersAreLabels) {
  AnswerOptions options;
  options.style = PromptStyle::bare;
  const auto answers = answer_locally(*model_, pool_, task_, examples_, options);
  ASSERT_EQ(answers.size(), 3u);
  for (const Answer& answer : answers) {
    EXPECT_TRUE(parse_answer(task_, answer.text).valid) << answer.text;
    EXPECT_LT(answer.logprob, 0);
    EXPECT_GT(answer.prompt_tokens, 2);
  }
}

TEST_F(LocalTeacherTest, TopKIsTheTopOfTheDistribution) {
  request_.signal = Signal::top_k;
  request_.k = 5;
  const auto answers = ask(request_);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto expected = logprobs_of(examples_[i], answers[i]);
    ASSERT_EQ(answers[i].soft.size(), answers[i].ids.size() + 1);
    ASSERT_EQ(expected.size(), answers[i].soft.size());
    for (std::size_t p = 0; p < expected.size(); ++p) {
      const SoftLabel& soft = answers[i].soft[p];
      ASSERT_EQ(soft.ids.size(), 5u);
      std::vector<float> sorted = expected[p];
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      const auto probability = [](float logprob) { return std::exp(static_cast<double>(logprob)); };
      for (std::size_t e = 0; e < 5; ++e) {
        const double p_stored = probability(soft.values[e]);
        EXPECT_NEAR(p_stored, probability(sorted[e]), 1e-3);
        EXPECT_NEAR(p_stored, probability(expected[p][static_cast<std::size_t>(soft.ids[e])]),
                    1e-3);
      }
    }
  }
}

// A label is complete before its end is asked for: one step more tells what might have followed.
TEST_F(LocalTeacherTest, TheEndIsToldWhereTheGrammarEnds) {
  std::vector<std::vector<TokenId>> prompts;
  for (const Example& example : examples_)
    prompts.push_back(
        task_prompt(checkpoint_->tokenizer(), task_, example.input, PromptStyle::bare));
  GenerateOptions options;
  options.top_logprobs = 4;
  const auto plain = generate_answers(*model_, pool_, task_, prompts, options, true);
  options.stop_logprobs = true;
  const auto told = generate_answers(*model_, pool_, task_, prompts, options, true);
  for (std::size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].ids, plain[i].ids);
    EXPECT_EQ(told[i].text, plain[i].text);
    EXPECT_EQ(told[i].finish, Generated::Finish::grammar_end);
    EXPECT_EQ(told[i].stop_top.size(), 4u);
  }
}

// Counts over n draws have mean n p and deviation sqrt(n p (1 - p)).
TEST_F(LocalTeacherTest, SampledCountsFollowTheDistribution) {
  request_.signal = Signal::sampled;
  request_.k = 4000;
  const auto answers = ask(request_);
  const auto expected = logprobs_of(examples_[0], answers[0]);
  for (std::size_t p = 0; p < expected.size(); ++p) {
    const SoftLabel& soft = answers[0].soft[p];
    EXPECT_EQ(std::accumulate(soft.values.begin(), soft.values.end(), 0.0f), 4000.0f);
    std::map<TokenId, float> counts;
    for (std::size_t e = 0; e < soft.ids.size(); ++e) counts[soft.ids[e]] = soft.values[e];
    for (std::size_t id = 0; id < expected[p].size(); ++id) {
      const double probability = std::exp(static_cast<double>(expected[p][id]));
      const double deviation = std::sqrt(4000 * probability * (1 - probability));
      EXPECT_NEAR(static_cast<double>(counts[static_cast<TokenId>(id)]), 4000 * probability,
                  6 * deviation + 4)  // + 4: the tail of rare tokens is Poisson
          << id;
    }
  }
}

TEST_F(LocalTeacherTest, SameSeedSameDrawsWhateverElseIsAsked) {
  request_.signal = Signal::sampled;
  request_.k = 16;
  request_.seed = 5;
  request_.temperature = 0.8;
  const auto all = ask(request_);
  examples_ = {examples_[2]};
  const auto one = ask(request_);
  EXPECT_EQ(one[0].text, all[2].text);
  ASSERT_EQ(one[0].soft.size(), all[2].soft.size());
  for (std::size_t p = 0; p < one[0].soft.size(); ++p) {
    EXPECT_EQ(one[0].soft[p].ids, all[2].soft[p].ids);
    EXPECT_EQ(one[0].soft[p].values, all[2].soft[p].values);
  }
  request_.seed = 6;
  const auto other = ask(request_);
  bool differs = other[0].text != one[0].text;
  for (std::size_t p = 0; !differs && p < one[0].soft.size(); ++p) {
    differs = other[0].soft[p].ids != one[0].soft[p].ids;
  }
  EXPECT_TRUE(differs);
}

TEST_F(LocalTeacherTest, ByNameIntoAStoreAndAgain) {
  std::string name = (fs::temp_directory_path() / "limbeck-label-XXXXXX").string();
  const fs::path folder = mkdtemp(name.data());
  request_.signal = Signal::top_k;
  request_.k = 3;
  const auto run = [&] {
    OpenTeacher teacher(path_.string(), pool_);
    LabelJob job;
    job.style = PromptStyle::bare;
    job.store = folder / "store.sqlite";
    return label_examples(teacher, task_, examples_, request_, job);
  };
  const LabelOutcome first = run(), again = run();
  fs::remove_all(folder);
  EXPECT_EQ(first.report.asked, 3);
  EXPECT_EQ(again.report.asked, 0);
  EXPECT_EQ(again.report.from_store, 3);
  EXPECT_EQ(first.answers[1].text, again.answers[1].text);
  EXPECT_EQ(first.answers[1].soft[0].values, again.answers[1].soft[0].values);
  EXPECT_GT(first.summary["soft_bytes_per_token"].get<double>(), 3);
  EXPECT_EQ(first.summary["teacher"], model_hash(*checkpoint_));
}

TEST_F(LocalTeacherTest, PromptsBeyondTheContextAreUnansweredNotFatal) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "word ";
  examples_.push_back({text, std::nullopt, ""});
  AnswerOptions options;
  options.style = PromptStyle::bare;
  const auto answers = answer_locally(*model_, pool_, task_, examples_, options);
  EXPECT_EQ(answers[3].text, "");
  EXPECT_TRUE(parse_answer(task_, answers[0].text).valid);
}

}  // namespace
}  // namespace limbeck

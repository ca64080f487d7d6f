// The estimate before, against the truth after; and what the smoke stops.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "limbeck/base/error.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/teacher/fault_modes_test.h"
#include "limbeck/teacher/label.h"

namespace limbeck {
namespace {

// A server that counts three bytes a token and answers a label, or "hm" to `bad` of 16 items.
struct Estimate : testing::Test {
  Estimate()
      : server([this](int number, const std::string&, const std::string& body) {
          const Json asked = parse_json(body, "request");
          const auto text = asked["messages"].back()["content"].get<std::string>();
          const std::string answer = number % 16 < bad ? "hm" : text.size() % 2 ? "red" : "maroon";
          const Json reply = {
              {"choices", Json::array({{{"index", 0}, {"message", {{"content", answer}}}}})},
              {"usage",
               {{"prompt_tokens", text.size() / 3 + 7}, {"completion_tokens", answer.size() / 3}}}};
          FakeReply said = http_reply(200, to_text(reply));
          said.wait_s = 0.01;
          return said;
        }) {
    std::filesystem::create_directories(folder);
    task.name = "colours";
    task.kind = TaskKind::classification;
    task.labels = {"red", "maroon"};
    request.style = PromptStyle::bare;
    for (int i = 0; i < 400; ++i) {
      const std::string words(static_cast<std::size_t>(20 + 61 * i % 300), 'x');
      examples.push_back({"item " + std::to_string(i) + " " + words, std::nullopt, ""});
    }
    choice.model = server.url();
    choice.budget.price_prompt = 100;
    choice.budget.price_answer = 400;
  }
  ~Estimate() override { std::filesystem::remove_all(folder); }

  LabelOutcome run(bool smoke_only) {
    OpenTeacher teacher(choice, pool);
    LabelJob job;
    job.style = PromptStyle::bare;
    job.store = folder / "store.sqlite";
    job.smoke_only = smoke_only;
    return label_examples(teacher, task, examples, request, job);
  }

  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("limbeck-estimate-" + std::to_string(::getpid()));
  int bad = 0;
  FakeServer server;
  Task task;
  LabelRequest request;
  std::vector<Example> examples;
  TeacherChoice choice;
  ThreadPool pool{1};
};

TEST_F(Estimate, AgreesWithTheTruthWithinTenPercent) {
  const LabelOutcome smoke = run(true);
  EXPECT_EQ(smoke.report.asked, 16);
  ASSERT_TRUE(smoke.estimate);
  EXPECT_EQ(server.requests(), 16);
  // The dry run: nothing is asked.
  LabelEstimate estimate;
  {
    OpenTeacher teacher(choice, pool);
    AnswerStore store(folder / "store.sqlite");
    estimate = estimate_labels(teacher.teacher().identity(), teacher.tokenizer(), teacher.budget(),
                               task, examples, request, &store);
  }
  EXPECT_EQ(server.requests(), 16);
  EXPECT_EQ(estimate.requests, 384);
  EXPECT_EQ(estimate.basis, "16 answers in the store");
  const LabelOutcome all = run(false);
  const auto near = [](double guess, double truth) { EXPECT_NEAR(guess, truth, 0.1 * truth); };
  near(static_cast<double>(estimate.requests), static_cast<double>(all.report.requests));
  near(estimate.prompt_tokens, static_cast<double>(all.report.prompt_tokens));
  near(estimate.answer_tokens, static_cast<double>(all.report.answer_tokens));
  near(estimate.cost, all.report.cost);
  ASSERT_TRUE(estimate.seconds);
  // Time on a busy test machine is rougher.
  EXPECT_GT(*estimate.seconds, all.report.seconds / 3);
  EXPECT_LT(*estimate.seconds, all.report.seconds * 3);
  EXPECT_EQ(server.requests(), 400);
  EXPECT_EQ(run(false).report.asked, 0) << "paid for twice";
}

TEST_F(Estimate, ASmokeThatFailsStopsBeforeTheBill) {
  bad = 2;
  try {
    run(false);
    ADD_FAILURE() << "two bad answers in 16 were accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::quality);
    EXPECT_NE(std::string(e.what()).find("only 14 of the first 16"), std::string::npos);
  }
  EXPECT_EQ(server.requests(), 16);
}

TEST_F(Estimate, OneBadAnswerInSixteenIsLetPass) {
  bad = 1;
  EXPECT_EQ(run(false).report.asked, 400);
}

}  // namespace
}  // namespace limbeck

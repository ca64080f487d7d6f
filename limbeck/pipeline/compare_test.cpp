// Comparisons of small random models: what is measured, kept, and told as not measured.
#include "limbeck/pipeline/compare.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/pipeline/small_model_test.h"
#include "limbeck/report/html.h"
#include "limbeck/report/results.h"
#include "limbeck/report/tables.h"
#include "limbeck/teacher/fake_server_test.h"
#include "limbeck/text/schema_validator.h"

namespace limbeck::pipeline {
namespace {

namespace fs = std::filesystem;
using report::at;

class Compare : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::path(testing::TempDir()) /
        (std::string("compare-") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    write_colours(folder_ / "colours", 12);
    write_small_model(folder_ / "big", 1, 64);
    write_small_model(folder_ / "small", 2);
    write_file(folder_ / "text.txt", "item 1 of the list is red, item 2 of the list is green");
    options_.models = {{"", (folder_ / "big").string(), "", ""},
                       {"", (folder_ / "small").string(), "", ""}};
    options_.tasks = {folder_ / "colours"};
    options_.cache = folder_ / "cache";
    options_.speed = false;
    options_.speed_s = 0.01;
    options_.command = "limbeck compare";
  }
  void TearDown() override { fs::remove_all(folder_); }

  Json run() {
    Json results = compare(options_, pool_);
    const Json schema = read_json_file(LIMBECK_SOURCE_DIR "/docs/results.schema.json");
    const auto wrong = validate_json(schema, results);
    EXPECT_FALSE(wrong.has_value()) << *wrong;
    EXPECT_NO_THROW(report::check_results(results, "results"));
    return results;
  }

  fs::path folder_;
  CompareOptions options_;
  ThreadPool pool_{1};
};

TEST_F(Compare, EveryDimensionIsThere) {
  options_.speed = true;
  options_.texts = {folder_ / "text.txt"};
  const Json results = run();
  const Json& first = results.at("models")[0];
  for (const char* key : {"bytes", "parameters", "bits_per_weight", "load_s", "peak_bytes",
                          "prompt_tokens_per_s", "items_per_s", "p50_s", "p95_s"})
    EXPECT_TRUE(first.contains(key)) << key;
  EXPECT_EQ(first.at("role"), "original");
  EXPECT_EQ(first.at("name"), "big");
  EXPECT_NEAR(first.at("bits_per_weight").get<double>(), 16, 1e-9);
  const Json& second = results.at("models")[1];
  EXPECT_TRUE(at(second.at("tasks")[0], {"difference", "p_adjusted"}).is_number());
  EXPECT_TRUE(at(second.at("texts")[0], {"kl", "mean"}).is_number());
  EXPECT_EQ(results.at("classes").size(), 3u);
  EXPECT_EQ(at(results, {"task", "n"}), 12);
}

TEST_F(Compare, WhatWasMeasuredIsNotMeasuredAgain) {
  options_.speed = true;
  const Json first = run();
  const Json again = run();
  // Times would differ if anything ran a second time.
  for (std::size_t m = 0; m < 2; ++m) {
    for (const char* key : {"items_per_s", "load_s", "p50_s"})
      EXPECT_EQ(first.at("models")[m].at(key), again.at("models")[m].at(key)) << key;
    EXPECT_EQ(first.at("models")[m].at("tasks"), again.at("models")[m].at("tasks"));
  }
  EXPECT_EQ(first.at("disagreements"), again.at("disagreements"));
  // Damaged entries are measured anew.
  for (const auto& entry : fs::directory_iterator(options_.cache / "measured"))
    write_file(entry.path(), "{");
  EXPECT_NE(run().at("models")[0].at("load_s"), first.at("models")[0].at("load_s"));
}

TEST_F(Compare, AChangedModelIsMeasuredAnew) {
  const Json before = run();
  write_small_model(folder_ / "small", 3);
  const Json after = run();
  EXPECT_NE(before.at("models")[1].at("sha256"), after.at("models")[1].at("sha256"));
  EXPECT_EQ(before.at("models")[0].at("tasks"), after.at("models")[0].at("tasks"));
}

TEST_F(Compare, BitsAreMadeOnTheFly) {
  options_.bits = {"8", "4"};
  options_.models.pop_back();
  const Json results = run();
  ASSERT_EQ(results.at("models").size(), 3u);
  EXPECT_EQ(results.at("models")[1].at("name"), "big-q8_0");
  EXPECT_EQ(results.at("models")[2].at("base"), "big");
  EXPECT_EQ(results.at("models")[2].at("role"), "quantized");
  EXPECT_LT(results.at("models")[2].at("bits_per_weight").get<double>(),
            results.at("models")[1].at("bits_per_weight").get<double>());
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(options_.cache / "quantized"))
    files.push_back(entry.path());
  const auto made = fs::last_write_time(files.at(0));
  run();
  EXPECT_EQ(fs::last_write_time(files.at(0)), made);
  options_.bits = {"9000"};
  EXPECT_THROW(run(), Error);
  options_.bits = {"q4_kk"};
  EXPECT_THROW(run(), Error);
}

TEST_F(Compare, OtherVocabulariesHaveNoDivergence) {
  write_small_model(folder_ / "small", 2);
  // Another vocabulary: the pieces of two tokens change places.
  const fs::path file = folder_ / "small" / "tokenizer.json";
  Json tokenizer = read_json_file(file.string());
  Json& vocab = tokenizer["model"]["vocab"];
  std::swap(vocab["a"], vocab["b"]);
  write_file(file, to_text(tokenizer));
  options_.texts = {folder_ / "text.txt"};
  const Json results = run();
  const Json& small = results.at("models")[1];
  EXPECT_NE(small.at("not_measured").at("KL on text").get<std::string>().find("vocabulary"),
            std::string::npos);
  EXPECT_TRUE(at(small.at("texts")[0], {"perplexity", "value"}).is_number());
}

// An endpoint whose name and answers are hostile.
TEST_F(Compare, AnEndpointIsScoredAndTheRestIsSaidToBeMissing) {
  const FakeServer server([](int, const std::string&, const std::string&) {
    return http_reply(200, to_text({{"choices",
                                     {{{"index", 0},
                                       {"finish_reason", "stop"},
                                       {"message",
                                        {{"role", "assistant"},
                                         {"content", "<script>alert(1)</script>\x1b[31m red"}}}}}},
                                    {"usage", {{"prompt_tokens", 5}, {"completion_tokens", 5}}}}));
  });
  options_.models = {{"", (folder_ / "big").string(), "", ""},
                     {"", server.url() + "#<img src=x>\x1b]0;t\x07", "", ""}};
  options_.texts = {folder_ / "text.txt"};
  options_.speed = true;
  const Json results = run();
  const Json& endpoint = results.at("models")[1];
  EXPECT_EQ(endpoint.at("format"), "endpoint");
  EXPECT_FALSE(endpoint.contains("bytes"));
  EXPECT_EQ(endpoint.at("tasks")[0].at("n"), 12);
  const Json& missing = endpoint.at("not_measured");
  for (const char* key : {"size", "speed and memory", "perplexity and KL on text"})
    EXPECT_TRUE(missing.contains(key)) << key << to_text(missing);
  const std::string page = report::html_page(results);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
  EXPECT_EQ(report::terminal_text(results, 100).find('\x1b'), std::string::npos);
  EXPECT_EQ(report::markdown(results).find("<script"), std::string::npos);
}

TEST_F(Compare, ADeadEndpointDoesNotStopTheOthers) {
  options_.models.push_back({"gone", "", "", ""});
  const FakeServer server(
      [](int, const std::string&, const std::string&) { return http_reply(401, "{}"); });
  options_.models.back().path = server.url() + "#m";
  const Json results = run();
  EXPECT_TRUE(results.at("models")[2].at("not_measured").contains("colours"));
  EXPECT_TRUE(at(results.at("models")[1].at("tasks")[0], {"difference"}).is_object());
}

TEST_F(Compare, NothingMeasuredIsTheFirstReason) {
  const FakeServer server(
      [](int, const std::string&, const std::string&) { return http_reply(401, "{}"); });
  options_.models = {{"gone", server.url() + "#m", "", ""}};
  try {
    compare(options_, pool_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::network);
  }
}

TEST_F(Compare, OneClassAndTenItemsAreNoise) {
  write_file(folder_ / "colours" / "task.yaml",
             "name: colours\nkind: classification\nlabels: [red, green, blue]\n");
  write_colours(folder_ / "colours", 10);
  options_.models[1].path = options_.models[0].path;  // the same model twice
  const Json results = run();
  EXPECT_EQ(results.at("models")[1].at("name"), "big (2)");
  // Equal answers on ten items exclude no difference below some 28 points.
  const Json& difference = results.at("models")[1].at("tasks")[0].at("difference");
  EXPECT_LT(difference.at("low").get<double>(), -0.2);
  EXPECT_NE(results.at("verdict").at("confidence"), "measured");
}

TEST_F(Compare, AMissingModelIsAnErrorBeforeAnythingIsMeasured) {
  options_.models.push_back({"", (folder_ / "none").string(), "", ""});
  EXPECT_THROW(compare(options_, pool_), Error);
  EXPECT_FALSE(fs::exists(options_.cache / "measured"));
}

}  // namespace
}  // namespace limbeck::pipeline

// The endpoint teacher against a server that misbehaves in every way it knows.
#include "limbeck/teacher/endpoint.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>

#include "limbeck/base/error.h"
#include "limbeck/teacher/endpoint_reply.h"
#include "limbeck/teacher/fake_server_test.h"

namespace limbeck {
namespace {

std::string completion(const std::string& text) {
  const Json message = {{"role", "assistant"}, {"content", text}};
  return to_text(Json{
      {"choices", Json::array({{{"index", 0}, {"message", message}, {"finish_reason", "stop"}}})},
      {"usage", {{"prompt_tokens", 10}, {"completion_tokens", 3}}}});
}

// Repeats the last message of the request.
FakeReply echo(const std::string& body) {
  const Json request = parse_json(body, "request");
  return http_reply(200, completion(request["messages"].back()["content"].get<std::string>()));
}

EndpointOptions quick(const FakeServer& server) {
  EndpointOptions options = endpoint_options(server.url() + "#tiny");
  options.first_wait_s = 0.002;
  options.longest_wait_s = 0.01;
  options.timeout_s = 0.5;
  return options;
}

struct Outcome {
  std::map<std::size_t, std::string> texts;
  std::string error;
  std::int64_t tokens = 0;
};

Outcome ask(EndpointOptions options, int n, LabelRequest request = {}) {
  Task task;
  task.kind = TaskKind::generation;
  request.style = PromptStyle::bare;
  std::vector<Example> examples;
  for (int i = 0; i < n; ++i) examples.push_back({"item " + std::to_string(i), std::nullopt, ""});
  Outcome outcome;
  try {
    endpoint_teacher(std::move(options))
        ->answer(task, examples, request, [&](std::size_t i, TeacherAnswer answer) {
          EXPECT_FALSE(outcome.texts.contains(i)) << "delivered twice";
          outcome.texts[i] = answer.text;
          outcome.tokens += answer.prompt_tokens + answer.answer_tokens;
        });
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::network) << e.what();
    outcome.error = e.what();
  }
  return outcome;
}

void expect_all(const Outcome& outcome, std::size_t n) {
  EXPECT_EQ(outcome.error, "");
  ASSERT_EQ(outcome.texts.size(), n);
  for (const auto& [i, text] : outcome.texts) EXPECT_EQ(text, "item " + std::to_string(i));
}

TEST(Endpoint, AnswersEachItemOnce) {
  FakeServer server([](int, const std::string& headers, const std::string& body) {
    EXPECT_TRUE(headers.starts_with("POST /v1/chat/completions HTTP/1.1"));
    EXPECT_EQ(parse_json(body, "request")["model"], "tiny");
    EXPECT_EQ(headers.find("Authorization"), headers.npos);
    return echo(body);
  });
  const Outcome outcome = ask(quick(server), 25);
  expect_all(outcome, 25);
  EXPECT_EQ(server.requests(), 25);
  EXPECT_EQ(outcome.tokens, 25 * 13);
}

// Each fault comes for the first request of every item; the second is answered.
class Fault : public ::testing::TestWithParam<const char*> {};

FakeReply faulty(const std::string& fault, const std::string& body) {
  const std::string good = completion("never seen");
  if (fault == "429") return http_reply(429, R"({"error": {"message": "slow down"}})");
  if (fault == "500") return http_reply(500, "<html>oops</html>");
  if (fault == "503") return http_reply(503, "");
  if (fault == "truncated JSON") return http_reply(200, good.substr(0, good.size() / 2));
  if (fault == "wrong type") return http_reply(200, R"({"choices": {"message": 3}})");
  if (fault == "content of wrong type")
    return http_reply(200, R"({"choices": [{"message": {"content": [1]}}]})");
  if (fault == "empty choices") return http_reply(200, R"({"choices": []})");
  if (fault == "200 with error body") return http_reply(200, R"({"error": {"message": "busy"}})");
  if (fault == "bad UTF-8") return http_reply(200, completion("x") + "\xff");
  if (fault == "huge body") return http_reply(200, std::string(300'000, ' '));
  if (fault == "slow") return {http_reply(200, good).bytes, 2.0};
  if (fault == "cut body") {
    FakeReply reply = http_reply(200, good);
    reply.bytes.resize(reply.bytes.size() - 20);
    return reply;
  }
  FakeReply reset = echo(body);
  reset.bytes.clear();
  reset.reset = true;
  return reset;
}

TEST_P(Fault, IsRetriedAndNothingIsLost) {
  std::mutex mutex;
  std::map<std::string, int> seen;
  FakeServer server([&](int, const std::string&, const std::string& body) {
    const std::lock_guard lock(mutex);
    return seen[body]++ == 0 ? faulty(GetParam(), body) : echo(body);
  });
  EndpointOptions options = quick(server);
  options.reply_bytes = 100'000;
  options.timeout_s = 0.3;
  expect_all(ask(options, 6), 6);
  EXPECT_EQ(server.requests(), 12);
}

INSTANTIATE_TEST_SUITE_P(All, Fault,
                         ::testing::Values("429", "500", "503", "truncated JSON", "wrong type",
                                           "content of wrong type", "empty choices",
                                           "200 with error body", "bad UTF-8", "huge body", "slow",
                                           "cut body", "reset"),
                         [](const auto& param) {
                           std::string name;
                           for (const char c : std::string(param.param))
                             name += c == ' ' || c == '-' ? '_' : c;
                           return name;
                         });

TEST(Endpoint, RetryAfterIsHonouredByAll) {
  std::mutex mutex;
  std::chrono::steady_clock::time_point limited{}, resumed{};
  FakeServer server([&](int number, const std::string&, const std::string& body) {
    const std::lock_guard lock(mutex);
    if (number == 0) {
      limited = std::chrono::steady_clock::now();
      return http_reply(429, "{}", "Retry-After: 1\r\n");
    }
    if (number == 1) resumed = std::chrono::steady_clock::now();
    return echo(body);
  });
  EndpointOptions options = quick(server);
  options.budget.concurrency = 1;
  expect_all(ask(options, 3), 3);
  EXPECT_GE(std::chrono::duration<double>(resumed - limited).count(), 1.0);
}

TEST(Endpoint, AServerThatAsksForHoursIsGivenUp) {
  FakeServer server([](int, const std::string&, const std::string&) {
    return http_reply(429, "{}", "Retry-After: 7200\r\n");
  });
  EXPECT_NE(ask(quick(server), 2).error.find("asks to wait 7200 s"), std::string::npos);
}

TEST(Endpoint, ClientMistakesAreNotRetried) {
  for (const int status : {400, 401, 403, 404, 422, 302}) {
    FakeServer server([&](int, const std::string&, const std::string&) {
      return http_reply(status, R"({"error": {"message": "no such\u001b[31m thing"}})",
                        "Location: http://127.0.0.1:1/\r\n");
    });
    EndpointOptions options = quick(server);
    options.budget.concurrency = 1;
    const Outcome outcome = ask(options, 3);
    EXPECT_NE(outcome.error.find(std::to_string(status)), std::string::npos) << outcome.error;
    EXPECT_EQ(outcome.error.find('\x1b'), std::string::npos) << "a terminal sequence got through";
    EXPECT_EQ(server.requests(), 1) << status;
  }
}

TEST(Endpoint, TriesEndAndSoDoFailuresInARow) {
  FakeServer server(
      [](int, const std::string&, const std::string&) { return http_reply(500, ""); });
  EndpointOptions options = quick(server);
  options.budget.concurrency = 1;
  options.tries = 3;
  EXPECT_NE(ask(options, 2).error.find("after 3 tries"), std::string::npos);
  EXPECT_EQ(server.requests(), 3);
  options.tries = 6;
  options.failures_in_a_row = 4;
  EXPECT_NE(ask(options, 2).error.find("4 failures in a row"), std::string::npos);
  EXPECT_EQ(server.requests(), 7);
}

TEST(Endpoint, NobodyListening) {
  EndpointOptions options = endpoint_options("http://127.0.0.1:1/v1");
  options.first_wait_s = 0.001;
  options.tries = 2;
  EXPECT_NE(ask(options, 1).error.find("after 2 tries"), std::string::npos);
}

TEST(Endpoint, BudgetsStopBeforeTheyAreBroken) {
  FakeServer server([](int, const std::string&, const std::string& body) { return echo(body); });
  EndpointOptions options = quick(server);
  options.budget.max_requests = 5;
  Outcome outcome = ask(options, 9);
  EXPECT_NE(outcome.error.find("budget is spent"), std::string::npos);
  EXPECT_EQ(server.requests(), 5);
  EXPECT_EQ(outcome.texts.size(), 5u);
  options.budget.max_requests = 0;
  options.budget.max_tokens = 700;  // an answer may have 256 tokens, the prompt about 40
  outcome = ask(options, 99);
  EXPECT_NE(outcome.error.find("budget is spent"), std::string::npos);
  EXPECT_LE(outcome.tokens, 700);
  EXPECT_GE(outcome.tokens, 700 - 300) << "it stopped long before";
}

TEST(Endpoint, TheKeyIsSentAndNeverSaid) {
  setenv("LIMBECK_API_KEY", "sk-very-secret", 1);
  FakeServer server([](int, const std::string& headers, const std::string&) {
    EXPECT_NE(headers.find("Authorization: Bearer sk-very-secret"), headers.npos);
    return http_reply(401, R"({"error": "bad key"})");
  });
  testing::internal::CaptureStderr();
  const EndpointOptions options = quick(server);
  unsetenv("LIMBECK_API_KEY");
  const Outcome outcome = ask(options, 1);
  EXPECT_EQ((outcome.error + testing::internal::GetCapturedStderr()).find("secret"),
            std::string::npos);
}

TEST(Endpoint, UrlsThatAreNone) {
  for (const char* url : {"ftp://x/v1", "http:///v1", "http://user:pw@host/v1"}) {
    EXPECT_THROW(endpoint_options(url), Error) << url;
  }
  const EndpointOptions options = endpoint_options("https://host:8/v1/#a/b#c");
  EXPECT_EQ(options.base, "https://host:8/v1");
  EXPECT_EQ(options.model, "a/b#c");
}

TEST(Reply, ToolCallsFiltersAndControls) {
  const auto text_of = [](const std::string& choice) {
    return read_completion("{\"choices\": [" + choice + "]}", nullptr).text;
  };
  EXPECT_EQ(text_of(R"({"message": {"content": null, "tool_calls": [{"function": {"name": "f",
                       "arguments": "{\"a\": 1}"}}]}})"),
            R"({"name":"f","arguments":{"a":1}})");
  EXPECT_EQ(
      text_of(R"({"message": {"content": "half an ans"}, "finish_reason": "content_filter"})"), "");
  EXPECT_EQ(text_of(R"({"message": {"content": null, "refusal": "I will not"}})"), "");
  EXPECT_EQ(text_of(R"({"message": {"content": "a\u001b]0;x\u0007b\n\tc\u007f"}})"), "a]0;xb\n\tc");
  EXPECT_THROW(text_of(R"({"message": {"content": null}})"), Error);
}

TEST(Reply, NoCountBreaksTheBudget) {
  const auto used = [](const std::string& count) {
    return read_completion(R"({"choices": [{"message": {"content": "a"}}], "usage": {)"
                           R"("prompt_tokens": )" +
                               count + "}}",
                           nullptr)
        .prompt_tokens;
  };
  EXPECT_EQ(used("7"), 7);
  EXPECT_EQ(used("-7"), 0);
  EXPECT_EQ(used("7.5"), 0);
  // Added to others these would wrap: a used budget below zero.
  EXPECT_EQ(used("9223372036854775807"), std::int64_t{1} << 31);
  EXPECT_EQ(used("18446744073709551615"), std::int64_t{1} << 31);
}

TEST(Reply, LogprobsAreNumbers) {
  const TeacherAnswer answer = read_completion(
      R"({"choices": [{"message": {"content": "a"}, "logprobs": {"content": [
          {"token": "a", "logprob": 3}, {"token": "b", "logprob": -1.7e308}]}}]})",
      nullptr);
  EXPECT_EQ(answer.logprob, -1e6);
}

TEST(Reply, EveryPrefixIsRefusedOrRead) {
  const std::string whole = completion("fine");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_THROW(read_completion(whole.substr(0, n), nullptr), Error);
  }
}

}  // namespace
}  // namespace limbeck

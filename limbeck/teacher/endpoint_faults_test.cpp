// Every fault mode at random over many requests: nothing lost, doubled or corrupted.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>

#include "limbeck/base/error.h"
#include "limbeck/teacher/endpoint.h"
#include "limbeck/teacher/fault_modes_test.h"

namespace limbeck {
namespace {

struct Result {
  std::map<std::size_t, std::string> texts;
  int twice = 0;
  std::string error;
  double seconds = 0;
  TeacherUsage usage;
};

EndpointOptions quick(const FakeServer& server) {
  EndpointOptions options = endpoint_options(server.url() + "#tiny");
  options.first_wait_s = 0.002;
  options.longest_wait_s = 0.05;
  options.longest_probe_wait_s = 0.2;
  options.timeout_s = 0.25;
  options.reply_bytes = 100'000;
  options.budget.concurrency = 16;
  return options;
}

Result ask(const EndpointOptions& options, int n) {
  Task task;
  task.kind = TaskKind::generation;
  LabelRequest request;
  request.style = PromptStyle::bare;
  std::vector<Example> examples;
  for (int i = 0; i < n; ++i) examples.push_back({"item " + std::to_string(i), std::nullopt, ""});
  Result result;
  const auto begin = std::chrono::steady_clock::now();
  const auto teacher = endpoint_teacher(options);
  try {
    teacher->answer(task, examples, request, [&](std::size_t i, TeacherAnswer answer) {
      result.twice += result.texts.contains(i);
      result.texts[i] = answer.text;
    });
  } catch (const Error& e) {
    result.error = e.what();
  }
  result.usage = teacher->usage();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

void expect_sound(const Result& result, const FaultyServer& faults, int n, int refuse_every) {
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.twice, 0);
  ASSERT_EQ(result.texts.size(), static_cast<std::size_t>(n)) << "lost";
  int corrupted = 0;
  for (const auto& [i, text] : result.texts) {
    const bool refused = refuse_every > 0 && static_cast<int>(i) % refuse_every == 0;
    // A fault that does no harm answers even the items that are refused otherwise.
    const std::string right = answer_to("item " + std::to_string(i));
    corrupted += text != right && !(refused && text.empty());
  }
  EXPECT_EQ(corrupted, 0);
  EXPECT_EQ(faults.early, 0) << "Retry-After was violated";
  EXPECT_EQ(faults.early_all, 0) << "others asked during a 429's Retry-After";
}

TEST(EndpointFaults, ThirtyPercentOfFiveHundred) {
  FaultyServer faults(0.3, 1, 25);
  FakeServer server([&](int number, const std::string& headers, const std::string& body) {
    return faults.reply(number, headers, body);
  });
  const Result result = ask(quick(server), 500);
  expect_sound(result, faults, 500, 25);
  EXPECT_LE(server.requests(), 500 * 1.6);
  EXPECT_EQ(result.usage.requests, server.requests());
  EXPECT_GE(faults.counts.size(), 18u) << "few modes came up";
}

TEST(EndpointFaults, AnOutageIsWaitedFor) {
  FaultyServer faults(0, 2, 0);
  FakeServer server([&](int number, const std::string& headers, const std::string& body) {
    const bool down = number >= 30 && number < 90;
    return down ? FakeReply{"", 0, true} : faults.reply(number, headers, body);
  });
  EndpointOptions options = quick(server);
  options.longest_probe_wait_s = 0.01;
  expect_sound(ask(options, 100), faults, 100, 0);
  EXPECT_EQ(server.requests(), 160);
  options.outage_s = 0;  // no patience
  FaultyServer gone(0, 2, 0);
  FakeServer other([&](int number, const std::string& headers, const std::string& body) {
    return number >= 30 ? FakeReply{"", 0, true} : gone.reply(number, headers, body);
  });
  options.base = other.url();
  const Result given_up = ask(options, 100);
  EXPECT_NE(given_up.error.find("failures in a row"), std::string::npos) << given_up.error;
  EXPECT_EQ(given_up.texts.size(), 30u) << "what was answered is delivered";
}

TEST(EndpointFaults, AnItemThatAlwaysFailsComesLast) {
  FakeServer server([&](int, const std::string&, const std::string& body) {
    const bool poison = body.find("item 3\"") != body.npos;
    return poison ? http_reply(500, "") : http_reply(200, completion_of("fine"));
  });
  EndpointOptions options = quick(server);
  options.tries = 2;
  options.rounds = 3;
  const Result result = ask(options, 40);
  EXPECT_EQ(result.texts.size(), 39u);
  EXPECT_NE(result.error.find("item 4 after 6 tries"), std::string::npos) << result.error;
}

TEST(EndpointFaults, RedirectsAndCertificatesEndTheRun) {
  FakeServer elsewhere([](int, const std::string&, const std::string&) {
    return http_reply(200, completion_of("stolen"));
  });
  FakeServer server([&](int, const std::string&, const std::string&) {
    return http_reply(307, "{}", "Location: " + elsewhere.url() + "/chat/completions\r\n");
  });
  EXPECT_NE(ask(quick(server), 3).error.find("307"), std::string::npos);
  EXPECT_EQ(elsewhere.requests(), 0) << "the key would have gone to another host";
  EndpointOptions options = quick(server);
  options.base.replace(0, 4, "https");  // no certificate there
  options.tries = 2;
  const Result result = ask(options, 1);
  EXPECT_NE(result.error.find("after 2 tries"), std::string::npos) << result.error;
}

TEST(EndpointPace, RatesAreKept) {
  FakeServer server([](int, const std::string&, const std::string&) {
    return http_reply(200, completion_of("fine"));  // 13 tokens
  });
  EndpointOptions options = quick(server);
  options.budget.requests_per_minute = 1200;  // 20 at once, then 20 a second
  const Result by_requests = ask(options, 40);
  EXPECT_EQ(by_requests.texts.size(), 40u);
  EXPECT_GE(by_requests.seconds, 0.9);
  EXPECT_LE(by_requests.seconds, 2.5);
  options.budget.requests_per_minute = 0;
  options.budget.tokens_per_minute = 60 * 130;  // ten requests a second once their size is known
  const Result by_tokens = ask(options, 30);
  EXPECT_EQ(by_tokens.texts.size(), 30u);
  EXPECT_GE(by_tokens.seconds, 1.5);
}

TEST(EndpointPace, CostsStopBeforeTheLimit) {
  FakeServer server([](int, const std::string&, const std::string&) {
    return http_reply(200, completion_of("fine"));
  });
  EndpointOptions options = quick(server);
  options.budget.price_prompt = 1e6;  // one a token
  options.budget.price_answer = 2e6;
  options.budget.max_cost = 2000;  // an answer may be 256 tokens long
  const Result result = ask(options, 500);
  EXPECT_NE(result.error.find("budget is spent"), std::string::npos) << result.error;
  EXPECT_EQ(result.usage.cost, 16.0 * static_cast<double>(result.texts.size()));
  EXPECT_LE(result.usage.cost, 2000);
  EXPECT_GE(result.usage.cost, 2000 - 600) << "it stopped long before";
}

// The long part: ctest -L soak. LIMBECK_SOAK=1 lets it run.
TEST(EndpointFaultsSoak, TenThousandRequestsAMix) {
  if (!std::getenv("LIMBECK_SOAK")) GTEST_SKIP() << "LIMBECK_SOAK is not set";
  constexpr int kItems = 10'000;
  for (const double rate : {0.3, 0.6}) {
    FaultyServer faults(rate, 7, 50);
    FakeServer server([&](int number, const std::string& headers, const std::string& body) {
      return faults.reply(number, headers, body);
    });
    const Result result = ask(quick(server), kItems);
    expect_sound(result, faults, kItems, 50);
    std::string counts;
    for (const auto& [name, n] : faults.counts) counts += name + " " + std::to_string(n) + ", ";
    std::printf("%.0f %% faults: %d items, %d requests (%.2fx), %.1f s; %s\n", 100 * rate, kItems,
                server.requests(), server.requests() / double{kItems}, result.seconds,
                counts.c_str());
    EXPECT_LE(server.requests(), kItems * (rate == 0.3 ? 1.6 : 3));
  }
}

TEST(EndpointFaultsSoak, AnOutageOfAMinute) {
  if (!std::getenv("LIMBECK_SOAK")) GTEST_SKIP() << "LIMBECK_SOAK is not set";
  constexpr int kItems = 10'000;
  const auto ideal_run = [&](double outage_s) {
    FaultyServer faults(0.05, 9, 0);
    std::atomic<bool> began = false;
    std::chrono::steady_clock::time_point down_from;
    std::mutex mutex;
    FakeServer server([&](int number, const std::string& headers, const std::string& body) {
      {
        const std::lock_guard lock(mutex);
        const auto now = std::chrono::steady_clock::now();
        if (number >= 3000 && !began.exchange(true)) down_from = now;
        faults.set_down(began && now - down_from < std::chrono::duration<double>(outage_s));
      }
      return faults.reply(number, headers, body);
    });
    EndpointOptions options = quick(server);
    options.longest_probe_wait_s = 2;
    options.first_wait_s = 0.05;
    options.longest_wait_s = 2;
    const Result result = ask(options, kItems);
    expect_sound(result, faults, kItems, 0);
    std::printf("outage of %.0f s: %d items, %d requests, %d of them while it was down, %.1f s\n",
                outage_s, kItems, server.requests(), faults.counts["down"], result.seconds);
    return result.seconds;
  };
  const double without = ideal_run(0);
  EXPECT_LE(ideal_run(60), 1.3 * without + 60);
}

}  // namespace
}  // namespace limbeck

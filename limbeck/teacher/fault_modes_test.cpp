#include "limbeck/teacher/fault_modes_test.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>

#include "limbeck/base/json.h"

namespace limbeck {
namespace {

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string http_date(std::time_t when) {
  std::tm parts{};
  gmtime_r(&when, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

// A second or two is the least that Retry-After can say: rarer than the others, or tests take
// hours.
constexpr double kRetryAfterShare = 0.1;

Json choice(int index, const std::string& text, const char* finish) {
  return {{"index", index},
          {"message", {{"role", "assistant"}, {"content", text}}},
          {"finish_reason", finish}};
}

std::string reply_of(Json choices) {
  return to_text(Json{{"id", "always-the-same"},
                      {"choices", std::move(choices)},
                      {"usage", {{"prompt_tokens", 10}, {"completion_tokens", 3}}}});
}

FakeReply without_end(FakeReply reply, std::size_t missing) {
  reply.bytes.resize(reply.bytes.size() - std::min(missing, reply.bytes.size()));
  return reply;
}

}  // namespace

std::vector<FaultMode> fault_modes() {
  using enum FaultEnd;
  return {{"429", asked_again},
          {"500", asked_again},
          {"503", asked_again},
          {"Retry-After in seconds", asked_again},
          {"Retry-After as a date", asked_again},
          {"time-out", asked_again},
          {"reset before the reply", asked_again},
          {"reset within the body", asked_again},
          {"truncated JSON", asked_again},
          {"wrong JSON type", asked_again},
          {"HTML error page", asked_again},
          {"gzip bomb", asked_again},
          {"200 with an error body", asked_again},
          {"empty choices", asked_again},
          {"bad UTF-8", asked_again},
          {"1 GB body", asked_again},
          {"slow drip", asked_again},
          {"duplicate ids", harmless},
          {"choices out of order", harmless},
          {"cut at the length", no_answer},
          {"content filter", no_answer},
          {"refusal", no_answer}};
}

std::string answer_to(const std::string& question) { return "answer to " + question; }

std::string completion_of(const std::string& text) {
  return reply_of(Json::array({choice(0, text, "stop")}));
}

FaultyServer::FaultyServer(double rate, std::uint64_t seed, int refuse_every)
    : rate_(rate), refuse_every_(refuse_every), random_(seed) {}

FakeReply FaultyServer::fault(const std::string& name, const std::string& question) {
  const std::string good = completion_of("never to be seen");
  if (name == "429" || name == "500" || name == "503") return http_reply(std::stoi(name), "{}");
  if (name.starts_with("Retry-After")) {
    const bool date = name.ends_with("date");
    // A date has whole seconds: two from now are at least one.
    const double seconds = date ? 1 : 1;
    not_before_[question] = now_s() + seconds;
    limited_at_ = now_s();
    limited_until_ = limited_at_ + seconds;
    return http_reply(429, "{}",
                      "Retry-After: " + (date ? http_date(std::time(nullptr) + 2) : "1") + "\r\n");
  }
  if (name == "time-out") return {http_reply(200, good).bytes, 1.0};
  if (name == "reset before the reply") return {"", 0, true};
  if (name == "reset within the body") {
    FakeReply reply = without_end(http_reply(200, good), 30);
    reply.reset = true;
    return reply;
  }
  if (name == "truncated JSON") return http_reply(200, good.substr(0, good.size() - 9));
  if (name == "wrong JSON type") return http_reply(200, R"({"choices": {"message": 3}})");
  if (name == "HTML error page") return http_reply(200, "<html><h1>Bad gateway</h1></html>");
  if (name == "gzip bomb") {
    return http_reply(200, std::string("\x1f\x8b\x08\0", 4) + std::string(2000, '\0'),
                      "Content-Encoding: gzip\r\n");
  }
  if (name == "200 with an error body") return http_reply(200, R"({"error": {"message": "no"}})");
  if (name == "empty choices") return http_reply(200, R"({"choices": []})");
  if (name == "bad UTF-8") {
    return http_reply(200, "{\"choices\": [{\"message\": {\"content\": \"\xff\xfe\"}}]}");
  }
  if (name == "1 GB body") {
    FakeReply reply{"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"};
    reply.bytes += std::string(300'000, ' ');
    return reply;
  }
  if (name == "slow drip") {
    FakeReply reply = http_reply(200, good);
    reply.byte_wait_s = 0.02;
    return reply;
  }
  const std::string right = answer_to(question);
  if (name == "duplicate ids") {
    return http_reply(
        200, reply_of(Json::array({choice(0, right, "stop"), choice(0, "a twin", "stop")})));
  }
  if (name == "choices out of order") {
    return http_reply(
        200, reply_of(Json::array({choice(1, "the second", "stop"), choice(0, right, "stop")})));
  }
  if (name == "cut at the length") {
    return http_reply(200, reply_of(Json::array({choice(0, "half an ans", "length")})));
  }
  if (name == "content filter") {
    return http_reply(200, reply_of(Json::array({choice(0, "half", "content_filter")})));
  }
  const Json refusal = {
      {"index", 0},
      {"message", {{"role", "assistant"}, {"content", nullptr}, {"refusal", "I will not"}}},
      {"finish_reason", "stop"}};
  return http_reply(200, reply_of(Json::array({refusal})));
}

FakeReply FaultyServer::reply(int, const std::string&, const std::string& body) {
  const Json request = parse_json(body, "request");
  const std::string question = request["messages"].back()["content"].get<std::string>();
  const int item = std::stoi(question.substr(question.rfind(' ') + 1));
  const std::lock_guard lock(mutex_);
  const double now = now_s();
  if (const auto found = not_before_.find(question); found != not_before_.end()) {
    early += now < found->second;
    not_before_.erase(found);
  }
  // What was on its way when the limit was told is nobody's fault.
  early_all += now > limited_at_ + 0.2 && now < limited_until_;
  if (down_) {
    ++counts["down"];
    return {"", 0, true};
  }
  std::vector<const char*> modes, last;
  static const std::vector<FaultMode> all = fault_modes();
  for (const FaultMode& mode : all) {
    (mode.end == FaultEnd::no_answer ? last : modes).push_back(mode.name);
  }
  if (random_.uniform() < rate_) {
    std::string name = modes[random_.below(modes.size())];
    if (name.starts_with("Retry-After") && random_.uniform() > kRetryAfterShare) name = "500";
    ++counts[name];
    FakeReply reply = fault(name, question);
    if (name == "duplicate ids" || name == "choices out of order") ++answered[question];
    return reply;
  }
  ++answered[question];
  if (refuse_every_ > 0 && item % refuse_every_ == 0) {
    const std::string name = last[static_cast<std::size_t>(item / refuse_every_) % last.size()];
    ++counts[name];
    return fault(name, question);
  }
  return http_reply(200, completion_of(answer_to(question)));
}

}  // namespace limbeck

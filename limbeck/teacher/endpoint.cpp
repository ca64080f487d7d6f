// The endpoint teacher: workers that ask, wait as they are told, and give up in time.
#include "limbeck/teacher/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/random.h"
#include "limbeck/teacher/endpoint_reply.h"
#include "limbeck/teacher/http_client.h"

namespace limbeck {
namespace {

using Clock = std::chrono::steady_clock;

bool is_retried(long status) noexcept {
  return status == 408 || status == 409 || status == 429 || (status >= 500 && status < 600);
}

std::string remedy_for(long status) {
  if (status == 401 || status == 403) return "set LIMBECK_API_KEY to a valid key";
  if (status == 404) return "check the URL (it ends in /v1#model-name) and the model's name";
  if (status >= 300 && status < 400) return "give the URL that the server redirects to";
  return "see what the server expects; `limbeck label --dry-run` shows the request";
}

// What the workers of one call share.
class Run {
 public:
  Run(const EndpointOptions& options, const LabelRequest& request)
      : options_(options), request_(request) {}

  void all(const std::vector<std::string>& bodies, const Teacher::Deliver& deliver) {
    std::vector<std::thread> workers;
    const auto n = std::min(bodies.size(), static_cast<std::size_t>(options_.concurrency));
    try {
      for (std::size_t i = 0; i < n; ++i) workers.emplace_back([&] { work(bodies); });
      hand_over(bodies.size(), deliver);
    } catch (...) {
      stop(std::current_exception());
    }
    stop(nullptr);
    for (auto& worker : workers) worker.join();
    // Requests in flight are let finish, and what they brought is delivered: it is paid for.
    for (Done& late : done_) deliver(late.index, std::move(late.answer));
    if (error_) std::rethrow_exception(error_);
  }

 private:
  struct Done {
    std::size_t index;
    TeacherAnswer answer;
  };

  void stop(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (error && !error_) error_ = error;
    stopped_ = true;
    changed_.notify_all();
  }

  bool stopped() {
    const std::lock_guard lock(mutex_);
    return stopped_ || interrupted();
  }

  // On the caller's thread: delivers until all is done or a worker failed. What is already answered
  // is delivered before the failure is told.
  void hand_over(std::size_t total, const Teacher::Deliver& deliver) {
    std::size_t delivered = 0;
    while (delivered < total) {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::milliseconds(200),
                        [&] { return !done_.empty() || stopped_; });
      if (done_.empty()) {
        if (stopped_) return;
        lock.unlock();
        stop_if_interrupted("run the same command again: the answers so far are in the store");
        continue;
      }
      Done next = std::move(done_.front());
      done_.pop_front();
      lock.unlock();
      deliver(next.index, std::move(next.answer));
      ++delivered;
    }
  }

  void work(const std::vector<std::string>& bodies) {
    try {
      while (!stopped()) {
        std::size_t index;
        {
          const std::lock_guard lock(mutex_);
          if (next_ == bodies.size()) return;
          index = next_++;
        }
        auto answer = ask(bodies[index], index);
        if (!answer) return;
        const std::lock_guard lock(mutex_);
        done_.push_back({index, std::move(*answer)});
        changed_.notify_all();
      }
    } catch (...) {
      stop(std::current_exception());
    }
  }

  // nullopt when stopped while waiting.
  std::optional<TeacherAnswer> ask(const std::string& body, std::size_t index) {
    Random random(request_.seed, index);
    std::string why;
    for (int attempt = 0; attempt < options_.tries; ++attempt) {
      if (!wait_for_turn()) return std::nullopt;
      const HttpReply reply = http_post(options_.base + "/chat/completions", headers(), body,
                                        {options_.timeout_s, options_.reply_bytes}, interrupted);
      if (reply.status == 0 && interrupted()) return std::nullopt;
      if (reply.status == 200) {
        try {
          TeacherAnswer answer = read_completion(reply.body, options_.tokenizer);
          succeeded(answer);
          return answer;
        } catch (const Error& e) {
          why = e.what();
        }
      } else if (reply.status != 0 && !is_retried(reply.status)) {
        fail_try(ErrorKind::network, remedy_for(reply.status), "{}: HTTP status {}: {}",
                 options_.base, reply.status, error_message(reply.body));
      } else {
        why = reply.status == 0
                  ? reply.failure
                  : fmt::format("HTTP status {}: {}", reply.status, error_message(reply.body));
      }
      failed(why);
      if (attempt + 1 < options_.tries) {
        if (!pause(wait_after(attempt, reply, random), reply.status == 429)) return std::nullopt;
      }
    }
    fail_try(ErrorKind::network, "run the same command again later: the answers so far are kept",
             "{}: no answer to item {} after {} tries; the last: {}", options_.base, index + 1,
             options_.tries, why);
  }

  // Full jitter (Brooker 2015, "Exponential Backoff and Jitter"), at least what the server asks
  // for.
  double wait_after(int attempt, const HttpReply& reply, Random& random) {
    const double most =
        std::min(options_.longest_wait_s,
                 options_.first_wait_s * static_cast<double>(1u << std::min(attempt, 20)));
    const double jitter = most * random.uniform();
    if (!reply.retry_after_s) return jitter;
    if (*reply.retry_after_s > options_.longest_retry_after_s) {
      fail_try(ErrorKind::network, "run the same command again later: the answers so far are kept",
               "{}: the server asks to wait {:.0f} s", options_.base, *reply.retry_after_s);
    }
    return *reply.retry_after_s + jitter;
  }

  // Waits `seconds`; when `everyone`, no worker asks before. False when stopped.
  bool pause(double seconds, bool everyone) {
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                          std::chrono::duration<double>(seconds));
    std::unique_lock lock(mutex_);
    if (everyone) not_before_ = std::max(not_before_, until);
    while (!stopped_ && !interrupted() && Clock::now() < until) {
      changed_.wait_until(lock, std::min(until, Clock::now() + std::chrono::milliseconds(200)));
    }
    return !stopped_ && !interrupted();
  }

  // Waits while all are to wait, then counts the try against the budget. False when stopped.
  bool wait_for_turn() {
    std::unique_lock lock(mutex_);
    while (!stopped_ && !interrupted() && Clock::now() < not_before_) {
      changed_.wait_until(lock,
                          std::min(not_before_, Clock::now() + std::chrono::milliseconds(200)));
    }
    if (stopped_ || interrupted()) return false;
    const bool too_many = options_.max_requests > 0 && requests_ >= options_.max_requests;
    const bool too_long = options_.max_tokens > 0 && tokens_ >= options_.max_tokens;
    if (too_many || too_long) {
      fail_try(ErrorKind::network, "raise the limit and run again: the answers so far are kept",
               "{}: the budget is spent ({} requests, {} tokens)", options_.base, requests_,
               tokens_);
    }
    ++requests_;
    return true;
  }

  void succeeded(const TeacherAnswer& answer) {
    const std::lock_guard lock(mutex_);
    in_a_row_ = 0;
    tokens_ += answer.prompt_tokens + answer.answer_tokens;
  }

  void failed(const std::string& why) {
    say_verbose(fmt::format("{}: {}", options_.base, why));
    const std::lock_guard lock(mutex_);
    if (++in_a_row_ < options_.failures_in_a_row) return;
    fail_try(ErrorKind::network, "check the server, then run the same command again",
             "{}: {} failures in a row; the last: {}", options_.base, in_a_row_, why);
  }

  std::vector<std::string> headers() const {
    std::vector<std::string> list{"Content-Type: application/json", "Expect:"};
    if (!options_.key.empty()) list.push_back("Authorization: Bearer " + options_.key);
    return list;
  }

  const EndpointOptions& options_;
  const LabelRequest& request_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Done> done_;
  std::exception_ptr error_;
  bool stopped_ = false;
  std::size_t next_ = 0;
  Clock::time_point not_before_{};
  std::int64_t requests_ = 0, tokens_ = 0;
  int in_a_row_ = 0;
};

class EndpointTeacher : public Teacher {
 public:
  explicit EndpointTeacher(EndpointOptions options)
      : options_(std::move(options)), identity_(options_.base + "#" + options_.model) {}

  const std::string& identity() const override { return identity_; }

  void answer(const Task& task, std::span<const Example> examples, const LabelRequest& request,
              const Deliver& deliver) override {
    if (request.signal == Signal::sampled) {
      fail_try(ErrorKind::unsupported, "use the signal top_k or text",
               "{}: an endpoint gives no samples of its distribution", options_.base);
    }
    std::vector<std::string> bodies;
    for (const Example& example : examples) {
      bodies.push_back(to_text(body(prompt_messages(task, example.input, request.style), request)));
    }
    Run(options_, request).all(bodies, deliver);
  }

 private:
  Json body(Json messages, const LabelRequest& request) const {
    Json json = Json::object();
    if (!options_.model.empty()) json["model"] = options_.model;
    json["messages"] = std::move(messages);
    json["temperature"] = request.temperature;
    json["max_tokens"] = request.max_tokens;
    if (request.temperature > 0) json["seed"] = request.seed;
    if (request.signal == Signal::top_k) {
      json["logprobs"] = true;
      json["top_logprobs"] = std::min(request.k, 20);  // the limit of the interface
    }
    return json;
  }

  EndpointOptions options_;
  std::string identity_;
};

}  // namespace

EndpointOptions endpoint_options(const std::string& url) {
  EndpointOptions options;
  const auto hash = url.find('#');
  options.base = url.substr(0, hash);
  if (hash != url.npos) options.model = url.substr(hash + 1);
  const bool http = options.base.starts_with("http://"),
             https = options.base.starts_with("https://");
  if (!http && !https) {
    fail(ErrorKind::usage, "'{}' is no endpoint: it must begin with http:// or https://", url);
  }
  const std::string rest = options.base.substr(http ? 7 : 8);
  const std::string host = rest.substr(0, rest.find('/'));
  if (host.empty()) fail(ErrorKind::usage, "'{}' names no host", url);
  if (host.find('@') != host.npos) {
    fail_try(ErrorKind::usage, "put the key into the environment variable LIMBECK_API_KEY",
             "the endpoint's URL holds a password, which would end up in logs");
  }
  while (options.base.ends_with('/')) options.base.pop_back();
  if (const char* key = std::getenv("LIMBECK_API_KEY")) options.key = key;
  for (const char c : options.key) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) {
      fail(ErrorKind::usage, "LIMBECK_API_KEY holds a blank or control character");
    }
  }
  return options;
}

std::unique_ptr<Teacher> endpoint_teacher(EndpointOptions options) {
  if (options.concurrency < 1 || options.tries < 1) {
    fail(ErrorKind::usage, "an endpoint needs at least one try and one request at a time");
  }
  return std::make_unique<EndpointTeacher>(std::move(options));
}

}  // namespace limbeck

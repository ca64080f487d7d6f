// Asking an endpoint for many answers: workers that ask, wait as they are told, and give up in
// time.
#include "limbeck/teacher/endpoint_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/random.h"
#include "limbeck/teacher/endpoint_pace.h"
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
  Run(const EndpointOptions& options, const LabelRequest& request, Pace& pace,
      const std::vector<std::string>& bodies)
      : options_(options), request_(request), pace_(pace), bodies_(bodies) {
    for (std::size_t i = 0; i < bodies.size(); ++i) waiting_.push_back({i, 0});
  }

  void all(const Teacher::Deliver& deliver) {
    std::vector<std::thread> workers;
    const auto n = std::min(bodies_.size(), static_cast<std::size_t>(options_.budget.concurrency));
    try {
      for (std::size_t i = 0; i < n; ++i) workers.emplace_back([&] { work(); });
      hand_over(deliver);
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
  struct Item {
    std::size_t index;
    int round;
  };
  struct Done {
    std::size_t index;
    TeacherAnswer answer;
  };

  void stop(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (error && !error_) error_ = error;
    stopped_ = true;
    changed_.notify_all();
    pace_.wake();
  }

  bool stopped() const { return stopped_ || interrupted(); }

  // On the caller's thread: delivers until all is done or a worker failed. What is already answered
  // is delivered before the failure is told.
  void hand_over(const Teacher::Deliver& deliver) {
    std::size_t delivered = 0;
    while (delivered < bodies_.size()) {
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

  // The next request, waiting while others may still give theirs back; nullopt when all are done.
  std::optional<Item> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !waiting_.empty() || taken_ == 0 || stopped_; });
    if (waiting_.empty() || stopped_) return std::nullopt;
    const Item item = waiting_.front();
    waiting_.pop_front();
    ++taken_;
    return item;
  }

  void work() {
    try {
      while (const auto item = take()) {
        auto answer = ask(*item);
        const std::lock_guard lock(mutex_);
        --taken_;
        if (answer) {
          done_.push_back({item->index, std::move(*answer)});
        } else if (!stopped()) {
          waiting_.push_back({item->index, item->round + 1});
        }
        changed_.notify_all();
      }
    } catch (...) {
      stop(std::current_exception());
    }
  }

  // nullopt when stopped while waiting, or when the others shall have their turn first.
  std::optional<TeacherAnswer> ask(const Item& item) {
    const std::string& body = bodies_[item.index];
    Random random(request_.seed, item.index + (static_cast<std::uint64_t>(item.round) << 48));
    std::string why;
    for (int attempt = 0; attempt < options_.tries;) {
      Ticket ticket;
      ticket.bytes = static_cast<double>(body.size());
      ticket.most_answer = static_cast<double>(request_.max_tokens);
      if (!pace_.enter(ticket, [this] { return stopped(); })) return std::nullopt;
      const HttpReply reply = http_post(options_.base + "/chat/completions", headers(), body,
                                        {options_.timeout_s, options_.reply_bytes}, interrupted);
      if (reply.status == 0 && interrupted()) {
        pace_.abandoned(ticket);
        return std::nullopt;
      }
      double wait = 0;
      try {
        if (auto answer = read(reply, why)) {
          pace_.succeeded(ticket, *answer);
          return answer;
        }
        wait = wait_after(attempt, reply, random);
      } catch (...) {  // given up
        pace_.abandoned(ticket);
        throw;
      }
      say_verbose(fmt::format("{}: {}", options_.base, why));
      if (reply.retry_after_s && reply.status == 429) pace_.hold_all(*reply.retry_after_s);
      pace_.failed(ticket, why, reply.status == 0 || reply.status == 429 || reply.status == 503);
      // While the server is down no request is to blame.
      if (!pace_.down()) ++attempt;
      if (attempt < options_.tries && !pause(wait)) return std::nullopt;
    }
    if (pace_.ever_succeeded() && item.round + 1 < options_.rounds) return std::nullopt;
    fail_try(ErrorKind::network, "run the same command again later: the answers so far are kept",
             "{}: no answer to item {} after {} tries; the last: {}", options_.base, item.index + 1,
             options_.tries * (item.round + 1), why);
  }

  // The answer, or nullopt and why there is none yet. Throws Error{network} where asking again
  // cannot help.
  std::optional<TeacherAnswer> read(const HttpReply& reply, std::string& why) const {
    if (reply.status == 200) {
      try {
        return read_completion(reply.body, options_.tokenizer);
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
    return std::nullopt;
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

  // False when stopped.
  bool pause(double seconds) {
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                          std::chrono::duration<double>(seconds));
    std::unique_lock lock(mutex_);
    while (!stopped() && Clock::now() < until) {
      changed_.wait_until(lock, std::min(until, Clock::now() + std::chrono::milliseconds(200)),
                          [this] { return stopped(); });
    }
    return !stopped();
  }

  std::vector<std::string> headers() const {
    std::vector<std::string> list{"Content-Type: application/json", "Expect:"};
    if (!options_.key.empty()) list.push_back("Authorization: Bearer " + options_.key);
    return list;
  }

  const EndpointOptions& options_;
  const LabelRequest& request_;
  Pace& pace_;
  const std::vector<std::string>& bodies_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> waiting_;
  std::deque<Done> done_;
  std::exception_ptr error_;
  std::atomic<bool> stopped_ = false;
  std::size_t taken_ = 0;
};

}  // namespace

void ask_endpoint(const EndpointOptions& options, const LabelRequest& request, Pace& pace,
                  const std::vector<std::string>& bodies, const Teacher::Deliver& deliver) {
  Run(options, request, pace, bodies).all(deliver);
}

}  // namespace limbeck

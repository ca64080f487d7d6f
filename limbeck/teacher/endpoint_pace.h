// When the next request to an endpoint may be sent: rates, budgets, how many at once, and whether
// the server is there at all. Shared by the threads that ask.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "limbeck/base/random.h"
#include "limbeck/teacher/endpoint.h"

namespace limbeck {

// One request from asking for leave to its outcome.
struct Ticket {
  double bytes = 0;        // of the prompt
  double most_answer = 0;  // tokens
  double held_tokens = 0;  // reserved of the budget: what the request may take at most
  double held_cost = 0;
  double expected_tokens = 0;  // taken from the tokens of this minute
};

class Pace {
 public:
  explicit Pace(const EndpointOptions& options);

  // Waits until the request may be sent. False once `stopped` says so (asked every 200 ms, and on
  // wake). Throws Error{network} when the budget does not allow it.
  bool enter(Ticket& ticket, const std::function<bool()>& stopped);
  // The request ended with this answer.
  void succeeded(const Ticket& ticket, const TeacherAnswer& answer);
  // It failed; `crowded`: the server is asked too much. Throws Error{network} when the endpoint is
  // given up.
  void failed(const Ticket& ticket, const std::string& why, bool crowded);
  // It was not even tried to the end (a stop).
  void abandoned(const Ticket& ticket);

  // No request before `seconds` from now.
  void hold_all(double seconds);
  bool down();  // has the breaker opened?
  bool ever_succeeded();
  void wake();  // whoever waits asks `stopped` again
  TeacherUsage usage();

 private:
  using Clock = std::chrono::steady_clock;
  // A bucket that fills at `rate` a second up to one second's worth, or what one request needs.
  struct Bucket {
    double rate = 0, level = 0;  // rate 0: no limit
    Clock::time_point filled;
    void refill(Clock::time_point now);
    double wait_for(double amount) const noexcept;  // seconds
  };

  void reserve(Ticket& ticket) const;
  bool allowed_by_budget(const Ticket& ticket) const;
  [[noreturn]] void budget_spent() const;
  void release(const Ticket& ticket);
  int most_at_once() const noexcept;

  const EndpointOptions& options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Bucket requests_bucket_, tokens_bucket_;
  TeacherUsage used_;
  double held_tokens_ = 0, held_cost_ = 0;
  double prompt_bytes_ = 0;  // of the answered requests
  double tokens_a_byte_ = 1.0 / 3, mean_answer_ = 0;
  int in_flight_ = 0, in_a_row_ = 0, probes_ = 0;
  double window_;  // requests at once, by additive increase and multiplicative decrease
  bool answered_ = false;
  Clock::time_point not_before_{}, row_began_{};
  Random random_;
};

}  // namespace limbeck

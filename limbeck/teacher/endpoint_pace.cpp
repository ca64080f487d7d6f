#include "limbeck/teacher/endpoint_pace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(200);

std::chrono::steady_clock::duration seconds_of(double seconds) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(seconds));
}

}  // namespace

void Pace::Bucket::refill(Clock::time_point now) {
  if (rate <= 0) return;
  const double passed = std::chrono::duration<double>(now - filled).count();
  level = std::min(std::max(1.0, rate), level + passed * rate);
  filled = now;
}

double Pace::Bucket::wait_for(double amount) const noexcept {
  // A request of more than a second's worth goes when the bucket is full, and overdraws it.
  const double needed = std::min(amount, std::max(1.0, rate));
  return rate <= 0 || level >= needed ? 0 : (needed - level) / rate;
}

Pace::Pace(const EndpointOptions& options)
    : options_(options), window_(options.budget.concurrency), random_(0x70616365) {
  const auto now = Clock::now();
  const EndpointBudget& budget = options.budget;
  requests_bucket_ = {budget.requests_per_minute / 60,
                      std::max(1.0, budget.requests_per_minute / 60), now};
  tokens_bucket_ = {budget.tokens_per_minute / 60, budget.tokens_per_minute / 60, now};
}

void Pace::reserve(Ticket& ticket) const {
  const double prompt = ticket.bytes * tokens_a_byte_;
  // Prompts of one task differ little in bytes a token; a tenth more covers them.
  ticket.held_tokens = 1.1 * prompt + ticket.most_answer;
  ticket.held_cost = cost_of(options_.budget, 1.1 * prompt, ticket.most_answer);
  ticket.expected_tokens = prompt + (answered_ ? mean_answer_ : ticket.most_answer);
}

bool Pace::allowed_by_budget(const Ticket& ticket) const {
  const EndpointBudget& budget = options_.budget;
  const auto used = static_cast<double>(used_.prompt_tokens + used_.answer_tokens);
  if (budget.max_requests > 0 && used_.requests >= budget.max_requests) return false;
  if (budget.max_tokens > 0 &&
      used + held_tokens_ + ticket.held_tokens > static_cast<double>(budget.max_tokens)) {
    return false;
  }
  return budget.max_cost <= 0 || used_.cost + held_cost_ + ticket.held_cost <= budget.max_cost;
}

void Pace::budget_spent() const {
  fail_try(ErrorKind::network, "raise the limit and run again: the answers so far are kept",
           "{}: the budget is spent ({} requests, {} tokens, cost {:.4g}); the next request could "
           "pass its limit",
           options_.base, used_.requests, used_.prompt_tokens + used_.answer_tokens, used_.cost);
}

int Pace::most_at_once() const noexcept {
  if (in_a_row_ >= options_.failures_in_a_row) return 1;  // the breaker is open: one probe
  return std::max(1, static_cast<int>(window_));
}

bool Pace::enter(Ticket& ticket, const std::function<bool()>& stopped) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (stopped()) return false;
    reserve(ticket);
    const bool in_budget = allowed_by_budget(ticket);
    // What is in flight may take less than was held for it.
    if (!in_budget && in_flight_ == 0) budget_spent();
    if (!in_budget || in_flight_ >= most_at_once()) {
      changed_.wait_for(lock, kPoll);
      continue;
    }
    const auto now = Clock::now();
    requests_bucket_.refill(now);
    tokens_bucket_.refill(now);
    const double wait =
        std::max(requests_bucket_.wait_for(1), tokens_bucket_.wait_for(ticket.expected_tokens));
    const auto ready = std::max(not_before_, now + seconds_of(wait));
    if (ready <= now) break;
    changed_.wait_until(lock, std::min(ready, now + Clock::duration(kPoll)));
  }
  ++used_.requests;
  ++in_flight_;
  held_tokens_ += ticket.held_tokens;
  held_cost_ += ticket.held_cost;
  requests_bucket_.level -= 1;
  tokens_bucket_.level -= ticket.expected_tokens;
  return true;
}

void Pace::release(const Ticket& ticket) {
  --in_flight_;
  held_tokens_ -= ticket.held_tokens;
  held_cost_ -= ticket.held_cost;
  changed_.notify_all();
}

void Pace::succeeded(const Ticket& ticket, const TeacherAnswer& answer) {
  const std::lock_guard lock(mutex_);
  release(ticket);
  in_a_row_ = probes_ = 0;
  window_ = std::min(window_ + 1 / window_, static_cast<double>(options_.budget.concurrency));
  used_.prompt_tokens += answer.prompt_tokens;
  used_.answer_tokens += answer.answer_tokens;
  used_.cost += cost_of(options_.budget, static_cast<double>(answer.prompt_tokens),
                        static_cast<double>(answer.answer_tokens));
  ++used_.answered;
  const auto taken = static_cast<double>(answer.prompt_tokens + answer.answer_tokens);
  tokens_bucket_.level += ticket.expected_tokens - taken;
  if (answer.prompt_tokens > 0) {
    prompt_bytes_ += ticket.bytes;
    tokens_a_byte_ = static_cast<double>(used_.prompt_tokens) / std::max(1.0, prompt_bytes_);
  }
  mean_answer_ = static_cast<double>(used_.answer_tokens) / static_cast<double>(used_.answered);
  answered_ = true;
}

void Pace::failed(const Ticket& ticket, const std::string& why, bool crowded) {
  const std::lock_guard lock(mutex_);
  release(ticket);
  if (crowded) window_ = std::max(1.0, window_ / 2);
  const auto now = Clock::now();
  if (in_a_row_++ == 0) row_began_ = now;
  if (in_a_row_ < options_.failures_in_a_row) return;
  const double down_s = std::chrono::duration<double>(now - row_began_).count();
  if (!answered_ || down_s >= options_.outage_s) {
    fail_try(ErrorKind::network, "check the server, then run the same command again",
             "{}: {} failures in a row over {:.0f} s; the last: {}", options_.base, in_a_row_,
             down_s, why);
  }
  const double most =
      std::min(options_.longest_probe_wait_s,
               options_.first_wait_s * static_cast<double>(1u << std::min(probes_++, 20)));
  not_before_ = std::max(not_before_, now + seconds_of(most * (0.5 + 0.5 * random_.uniform())));
}

void Pace::abandoned(const Ticket& ticket) {
  const std::lock_guard lock(mutex_);
  release(ticket);
}

void Pace::hold_all(double seconds) {
  const std::lock_guard lock(mutex_);
  not_before_ = std::max(not_before_, Clock::now() + seconds_of(seconds));
}

bool Pace::down() {
  const std::lock_guard lock(mutex_);
  return in_a_row_ >= options_.failures_in_a_row;
}

bool Pace::ever_succeeded() {
  const std::lock_guard lock(mutex_);
  return answered_;
}

void Pace::wake() { changed_.notify_all(); }

TeacherUsage Pace::usage() {
  const std::lock_guard lock(mutex_);
  return used_;
}

}  // namespace limbeck

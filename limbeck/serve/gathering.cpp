#include "limbeck/serve/gathering.h"

#include <utility>

namespace limbeck::serve {

void Gathering::submit(Engine& engine, std::vector<std::unique_ptr<Job>> jobs) {
  std::vector<Engine::Ticket> tickets;
  const auto cancel_all = [](const std::vector<Engine::Ticket>& all) {
    for (const Engine::Ticket& ticket : all) *ticket = true;
  };
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->on_end = [self = shared_from_this(), i](Outcome outcome) {
      self->add(i, std::move(outcome));
    };
    Engine::Ticket ticket;
    try {
      ticket = engine.submit(std::move(jobs[i]));
    } catch (const Error& error) {
      cancel_all(tickets);
      return refuse_all(from_outcome(error));
    }
    if (!ticket) {
      cancel_all(tickets);
      return refuse_all(ApiError(429, "", "the queue is full; try again in a second"));
    }
    tickets.push_back(std::move(ticket));
  }
  exchange_->when_gone([tickets, cancel_all] { cancel_all(tickets); });
}

void Gathering::refuse_all(const ApiError& error) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(done_, true)) return;
  }
  send(*exchange_, error);
}

void Gathering::add(std::size_t i, Outcome outcome) {
  {
    const std::lock_guard lock(mutex_);
    if (done_) return;
    outcomes_[i] = std::move(outcome);
    if (!outcomes_[i].error && --left_ > 0) return;
    done_ = true;
  }
  if (outcomes_[i].error) return send(*exchange_, from_outcome(*outcomes_[i].error));
  finish_(outcomes_);
}

}  // namespace limbeck::serve

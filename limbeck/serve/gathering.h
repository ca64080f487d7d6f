// The jobs of one request, answered together.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "limbeck/serve/engine.h"
#include "limbeck/serve/exchange.h"
#include "limbeck/serve/send.h"

namespace limbeck::serve {

// The jobs of one request: their outcomes in order, one answer when all are there.
class Gathering : public std::enable_shared_from_this<Gathering> {
 public:
  using Finish = std::function<void(std::vector<Outcome>& outcomes)>;
  Gathering(std::shared_ptr<Exchange> exchange, std::size_t n, Finish finish)
      : exchange_(std::move(exchange)), outcomes_(n), left_(n), finish_(std::move(finish)) {}

  // Submits all; where one is refused, the others are cancelled and the client told.
  void submit(Engine& engine, std::vector<std::unique_ptr<Job>> jobs);

 private:
  void refuse_all(const ApiError& error);
  void add(std::size_t i, Outcome outcome);

  std::shared_ptr<Exchange> exchange_;
  std::mutex mutex_;
  std::vector<Outcome> outcomes_;
  std::size_t left_;
  bool done_ = false;
  Finish finish_;
};

}  // namespace limbeck::serve

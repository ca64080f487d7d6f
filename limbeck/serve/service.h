// The endpoints: from a request to the jobs it takes, and back.
#pragma once

#include <memory>
#include <string>

#include "limbeck/serve/engine.h"
#include "limbeck/serve/exchange.h"

namespace limbeck::serve {

class Service {
 public:
  // The engine must outlive it and every exchange that it was given. `model_name` is what clients
  // see.
  Service(Engine& engine, const Model& model, std::string model_name);

  // Answers, now or later. Never throws: what goes wrong is the answer.
  void handle(const Request& request, std::shared_ptr<Exchange> exchange);

 private:
  void dispatch(const Request& request, const std::shared_ptr<Exchange>& exchange);
  void chat(const Json& body, const std::shared_ptr<Exchange>& exchange);
  void completions(const Json& body, const std::shared_ptr<Exchange>& exchange);
  void embeddings(const Json& body, const std::shared_ptr<Exchange>& exchange);
  Json models() const;
  Json tokenizer_info() const;

  Engine& engine_;
  const Model& model_;
  std::string model_name_;
  std::int64_t started_ = 0;
};

}  // namespace limbeck::serve

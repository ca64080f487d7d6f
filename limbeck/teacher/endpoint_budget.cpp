// What an endpoint may take, as recipes and command lines say it.
#include "limbeck/base/error.h"
#include "limbeck/teacher/endpoint.h"

namespace limbeck {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 50;

}  // namespace

EndpointBudget read_endpoint_budget(Fields& fields) {
  EndpointBudget budget;
  budget.key_variable = fields.text("api_key_env", budget.key_variable);
  budget.max_requests = fields.integer("max_requests", 0, 0, kMost);
  budget.max_tokens = fields.integer("max_tokens", 0, 0, kMost);
  budget.max_cost = fields.number("max_cost", 0, 0);
  budget.price_prompt = fields.number("price_prompt", 0, 0);
  budget.price_answer = fields.number("price_answer", 0, 0);
  budget.requests_per_minute = fields.number("rpm", 0, 0);
  budget.tokens_per_minute = fields.number("tpm", 0, 0);
  budget.concurrency = static_cast<int>(fields.integer("concurrency", budget.concurrency, 1, 1024));
  check_budget(budget, fields.where());
  return budget;
}

void check_budget(const EndpointBudget& budget, std::string_view where) {
  if (budget.max_cost > 0 && budget.price_prompt <= 0 && budget.price_answer <= 0) {
    fail_try(ErrorKind::usage, "give price_prompt and price_answer, of a million tokens",
             "{}: max_cost has no price to count with", where);
  }
}

Json to_json(const EndpointBudget& budget) {
  return {{"api_key_env", budget.key_variable},  {"max_requests", budget.max_requests},
          {"max_tokens", budget.max_tokens},     {"max_cost", budget.max_cost},
          {"price_prompt", budget.price_prompt}, {"price_answer", budget.price_answer},
          {"rpm", budget.requests_per_minute},   {"tpm", budget.tokens_per_minute},
          {"concurrency", budget.concurrency}};
}

double cost_of(const EndpointBudget& budget, double prompt_tokens, double answer_tokens) noexcept {
  return (prompt_tokens * budget.price_prompt + answer_tokens * budget.price_answer) / 1e6;
}

}  // namespace limbeck

#include "limbeck/cli/teacher_options.h"

#include <vector>

namespace limbeck::cli {

void add_endpoint_options(CLI::App& app, EndpointBudget& budget) {
  app.add_option("--api-key-env", budget.key_variable, "Endpoints: variable of the key")
      ->capture_default_str();
  app.add_option("--max-requests", budget.max_requests,
                 "Endpoints: stop before more, tries counted")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--max-total-tokens", budget.max_tokens,
                 "Endpoints: stop before more, of prompts and answers")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--max-cost", budget.max_cost, "Endpoints: stop before more, by --price")
      ->check(CLI::NonNegativeNumber);
  app.add_option_function<std::vector<double>>(
         "--price",
         [&budget](const std::vector<double>& prices) {
           budget.price_prompt = prices[0];
           budget.price_answer = prices[1];
         },
         "Endpoints: of a million prompt tokens, and of answer tokens: 0.15,0.6")
      ->expected(2)
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber);
  app.add_option("--rpm", budget.requests_per_minute, "Endpoints: most requests a minute")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--tpm", budget.tokens_per_minute, "Endpoints: most tokens a minute")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--concurrency", budget.concurrency, "Endpoints: most requests at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
}

}  // namespace limbeck::cli

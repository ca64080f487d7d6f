// An OpenAI-compatible server as teacher: POST <base>/chat/completions.
// https://platform.openai.com/docs/api-reference/chat/create
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "limbeck/base/fields.h"
#include "limbeck/base/limits.h"
#include "limbeck/teacher/teacher.h"

namespace limbeck {

// What a user lets an endpoint take. 0: no limit, or a price that is not known.
struct EndpointBudget {
  std::string key_variable = "LIMBECK_API_KEY";  // environment variable that holds the key
  std::int64_t max_requests = 0;                 // tries are counted
  std::int64_t max_tokens = 0;                   // of prompts and answers
  double max_cost = 0;                           // in the unit of the prices
  double price_prompt = 0, price_answer = 0;     // of a million tokens
  double requests_per_minute = 0, tokens_per_minute = 0;
  int concurrency = 4;  // requests in flight at most
};

// The keys api_key_env, max_requests, max_tokens, max_cost, price_prompt, price_answer, rpm, tpm
// and concurrency. Throws Error{usage}: among others when max_cost has no price to count with.
EndpointBudget read_endpoint_budget(Fields& fields);
void check_budget(const EndpointBudget& budget, std::string_view where);
Json to_json(const EndpointBudget& budget);
double cost_of(const EndpointBudget& budget, double prompt_tokens, double answer_tokens) noexcept;

struct EndpointOptions {
  std::string base;   // "http://127.0.0.1:8080/v1", without the slash at the end
  std::string model;  // what the server calls it; may be empty where the server has only one
  std::string key;    // bearer token, never logged; empty: none
  // Maps the tokens that the server names to ids, for soft labels: the student's vocabulary. Null:
  // text only.
  const Tokenizer* tokenizer = nullptr;
  EndpointBudget budget;
  int tries = 6;                       // of one request, before others have their turn
  int rounds = 5;                      // of tries, for a request that fails while others succeed
  double first_wait_s = 0.5;           // back-off before the second try at most, doubling each time
  double longest_wait_s = 60;          // of a back-off
  double longest_retry_after_s = 120;  // a server that asks for more is given up
  double timeout_s =
      static_cast<double>(limits().reply_seconds);  // of one try, from connect to last byte
  std::size_t reply_bytes = 2u << 20;
  // Over all requests: then one request at a time probes whether the server is back, for at most
  // `outage_s`; one that never answered is given up at once.
  int failures_in_a_row = 20;
  double outage_s = 600, longest_probe_wait_s = 5;
};

// From "http://host:port/v1#model-name" and the environment's key. Throws Error{usage} on a URL
// without host, with user:password in it, or of another scheme.
EndpointOptions endpoint_options(const std::string& url, const EndpointBudget& budget = {});

// Retries 408, 409, 429, 5xx, time-outs, resets and unreadable replies with full jitter, honouring
// Retry-After; never 400, 401, 403, 404, 422. Redirects are not followed. Fewer requests run at
// once after each refusal, more after each success (AIMD). Limits of rate and budget hold over all
// calls, and are kept before a request is sent.
std::unique_ptr<Teacher> endpoint_teacher(EndpointOptions options);

}  // namespace limbeck

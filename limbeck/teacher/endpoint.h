// An OpenAI-compatible server as teacher: POST <base>/chat/completions.
// https://platform.openai.com/docs/api-reference/chat/create
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "limbeck/base/limits.h"
#include "limbeck/teacher/teacher.h"

namespace limbeck {

struct EndpointOptions {
  std::string base;   // "http://127.0.0.1:8080/v1", without the slash at the end
  std::string model;  // what the server calls it; may be empty where the server has only one
  std::string key;    // bearer token, never logged; empty: none
  // Maps the tokens that the server names to ids, for soft labels: the student's vocabulary. Null:
  // text only.
  const Tokenizer* tokenizer = nullptr;
  int concurrency = 4;                 // requests in flight
  int tries = 6;                       // of one request
  double first_wait_s = 0.5;           // back-off before the second try at most, doubling each time
  double longest_wait_s = 60;          // of a back-off
  double longest_retry_after_s = 120;  // a server that asks for more is given up
  double timeout_s =
      static_cast<double>(limits().reply_seconds);  // of one try, from connect to last byte
  std::size_t reply_bytes = 2u << 20;
  int failures_in_a_row = 20;     // over all requests: then the endpoint is given up
  std::int64_t max_requests = 0;  // tries are counted; 0: no limit
  std::int64_t max_tokens = 0;    // prompt and answer tokens as the server counts; 0: no limit
};

// From "http://host:port/v1#model-name" and LIMBECK_API_KEY of the environment. Throws Error{usage}
// on a URL without host, with user:password in it, or of another scheme.
EndpointOptions endpoint_options(const std::string& url);

// Retries 408, 409, 429, 5xx, time-outs, resets and unreadable replies with full jitter, honouring
// Retry-After; never 400, 401, 403, 404, 422. Redirects are not followed.
std::unique_ptr<Teacher> endpoint_teacher(EndpointOptions options);

}  // namespace limbeck

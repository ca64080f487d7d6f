#include "limbeck/serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "limbeck/serve/engine.h"

namespace limbeck::serve {
namespace {

struct Name {
  std::string_view own, theirs;  // "limbeck_" + own; "vllm:" + theirs, or empty
};

template <typename Write>
void under_both(const Name& name, const Write& write) {
  write("limbeck_" + std::string(name.own));
  if (!name.theirs.empty()) write("vllm:" + std::string(name.theirs));
}

template <typename Value>
void add_value(std::string& text, const Name& name, std::string_view type, std::string_view help,
               Value value) {
  under_both(name, [&](const std::string& full) {
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", full, help, type, value);
  });
}

void add_histogram(std::string& text, const Name& name, std::string_view help,
                   const Histogram& histogram) {
  under_both(name, [&](const std::string& full) {
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} histogram\n", full, help);
    std::uint64_t until = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      until += histogram.counts[i];
      const std::string bound = i < Histogram::kBounds.size()
                                    ? fmt::format("{}", Histogram::kBounds[i])
                                    : std::string("+Inf");
      text += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", full, bound, until);
    }
    text += fmt::format("{0}_sum {1}\n{0}_count {2}\n", full, histogram.sum, until);
  });
}

}  // namespace

void Histogram::add(double seconds) noexcept {
  const auto bucket = std::ranges::lower_bound(kBounds, seconds) - kBounds.begin();
  ++counts[static_cast<std::size_t>(bucket)];
  sum += seconds;
}

std::string metrics_text(const EngineStats& s) {
  std::string text;
  add_value(text, {"jobs_total", ""}, "counter", "Prompts begun.", s.jobs);
  add_value(text, {"jobs_cancelled_total", ""}, "counter", "Prompts whose client went.",
            s.cancelled);
  add_value(text, {"jobs_refused_total", ""}, "counter",
            "Prompts refused because the queue was full.", s.refused);
  add_value(text, {"prompt_tokens_total", "prompt_tokens_total"}, "counter", "Tokens of prompts.",
            s.prompt_tokens);
  add_value(text, {"cached_tokens_total", ""}, "counter", "Tokens of prompts taken from the cache.",
            s.cached_tokens);
  add_value(text, {"generated_tokens_total", "generation_tokens_total"}, "counter",
            "Tokens generated.", s.generated_tokens);
  add_value(text, {"steps_total", ""}, "counter", "Forward passes.", s.steps);
  add_value(text, {"jobs_waiting", "num_requests_waiting"}, "gauge", "Prompts in the queue.",
            s.waiting);
  add_value(text, {"jobs_running", "num_requests_running"}, "gauge", "Prompts being answered.",
            s.running);
  add_histogram(text, {"queue_seconds", "request_queue_time_seconds"},
                "From the request to its sequence.", s.queue_s);
  add_histogram(text, {"first_token_seconds", "time_to_first_token_seconds"},
                "From the request to the first token of its answer.", s.first_token_s);
  add_histogram(text, {"token_seconds", "inter_token_latency_seconds"},
                "From one token of an answer to the next.", s.token_s);
  add_histogram(text, {"answer_seconds", "e2e_request_latency_seconds"},
                "From the request to the end of its answer.", s.answer_s);
  return text;
}

}  // namespace limbeck::serve

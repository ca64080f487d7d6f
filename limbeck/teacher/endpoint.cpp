// The endpoint teacher: requests from examples, and its options from a URL.
#include "limbeck/teacher/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "limbeck/base/error.h"
#include "limbeck/teacher/endpoint_run.h"

namespace limbeck {
namespace {

class EndpointTeacher : public Teacher {
 public:
  explicit EndpointTeacher(EndpointOptions options)
      : options_(std::move(options)),
        identity_(options_.base + "#" + options_.model),
        pace_(options_) {
    // Answers with soft labels are in the ids of one vocabulary.
    if (options_.tokenizer) identity_ += " in " + options_.tokenizer->hash();
  }

  const std::string& identity() const override { return identity_; }
  TeacherUsage usage() override { return pace_.usage(); }

  void answer(const Task& task, std::span<const Example> examples, const LabelRequest& request,
              const Deliver& deliver) override {
    if (request.signal == Signal::sampled) {
      fail_try(ErrorKind::unsupported, "use the signal top_k or text",
               "{}: an endpoint gives no samples of its distribution", options_.base);
    }
    std::vector<std::string> bodies;
    for (const Example& example : examples) {
      bodies.push_back(to_text(body(prompt_messages(task, example.input, request.style), request)));
    }
    ask_endpoint(options_, request, pace_, bodies, deliver);
  }

 private:
  Json body(Json messages, const LabelRequest& request) const {
    Json json = Json::object();
    if (!options_.model.empty()) json["model"] = options_.model;
    json["messages"] = std::move(messages);
    json["temperature"] = request.temperature;
    json["max_tokens"] = request.max_tokens;
    if (request.temperature > 0) json["seed"] = request.seed;
    if (request.signal == Signal::top_k) {
      json["logprobs"] = true;
      json["top_logprobs"] = std::min(request.k, 20);  // the limit of the interface
    }
    return json;
  }

  EndpointOptions options_;
  std::string identity_;
  Pace pace_;
};

}  // namespace

EndpointOptions endpoint_options(const std::string& url, const EndpointBudget& budget) {
  EndpointOptions options;
  options.budget = budget;
  const auto hash = url.find('#');
  options.base = url.substr(0, hash);
  if (hash != url.npos) options.model = url.substr(hash + 1);
  const bool http = options.base.starts_with("http://"),
             https = options.base.starts_with("https://");
  if (!http && !https) {
    fail(ErrorKind::usage, "'{}' is no endpoint: it must begin with http:// or https://", url);
  }
  const std::string rest = options.base.substr(http ? 7 : 8);
  const std::string host = rest.substr(0, rest.find('/'));
  if (host.empty()) fail(ErrorKind::usage, "'{}' names no host", url);
  if (host.find('@') != host.npos) {
    fail_try(ErrorKind::usage, "put the key into the environment variable LIMBECK_API_KEY",
             "the endpoint's URL holds a password, which would end up in logs");
  }
  while (options.base.ends_with('/')) options.base.pop_back();
  const std::string& variable = budget.key_variable;
  if (const char* key = std::getenv(variable.c_str())) options.key = key;
  if (options.key.empty() && variable != EndpointBudget().key_variable) {
    fail(ErrorKind::usage, "the environment variable {}, which holds the key, is not set",
         variable);
  }
  for (const char c : options.key) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) {
      fail(ErrorKind::usage, "{} holds a blank or control character", variable);
    }
  }
  return options;
}

std::unique_ptr<Teacher> endpoint_teacher(EndpointOptions options) {
  if (options.budget.concurrency < 1 || options.tries < 1) {
    fail(ErrorKind::usage, "an endpoint needs at least one try and one request at a time");
  }
  return std::make_unique<EndpointTeacher>(std::move(options));
}

}  // namespace limbeck

#include "limbeck/serve/service.h"

#include <chrono>

#include "limbeck/base/limits.h"
#include "limbeck/base/utf8.h"
#include "limbeck/serve/answer_stream.h"
#include "limbeck/serve/api_error.h"
#include "limbeck/serve/gathering.h"
#include "limbeck/serve/metrics.h"
#include "limbeck/serve/reply.h"
#include "limbeck/serve/send.h"
#include "limbeck/text/base64.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::serve {
namespace {

Usage usage_of(const std::vector<Outcome>& outcomes, std::int64_t prompt_tokens) {
  Usage usage{.prompt = prompt_tokens};
  for (const Outcome& outcome : outcomes) {
    usage.completion += static_cast<std::int64_t>(outcome.generated.ids.size());
    usage.cached += outcome.cached_tokens;
  }
  return usage;
}

template <typename Asked>
void submit_stream(Engine& engine, const std::shared_ptr<Exchange>& exchange,
                   std::shared_ptr<AnswerStream> stream, std::shared_ptr<const Asked> request,
                   std::unique_ptr<Job> job) {
  stream->prompt_tokens = static_cast<std::int64_t>(job->prompt.size());
  job->on_text = [stream, request](const Generated& so_far, std::string_view piece) {
    stream->piece(so_far, piece, *request);
  };
  job->on_end = [stream, request](const Outcome& outcome) { stream->end(outcome, *request); };
  const Engine::Ticket ticket = engine.submit(std::move(job));
  if (!ticket) throw ApiError(429, "", "the queue is full; try again in a second");
  exchange->when_gone([ticket] { *ticket = true; });
}

std::int64_t total_tokens(const std::vector<std::vector<TokenId>>& prompts) {
  std::int64_t n = 0;
  for (const auto& prompt : prompts) n += static_cast<std::int64_t>(prompt.size());
  return n;
}

std::unique_ptr<Job> make_job(std::vector<TokenId> prompt, const GenerateOptions& options,
                              const std::optional<Grammar>& grammar, int stream) {
  auto job = std::make_unique<Job>();
  job->prompt = std::move(prompt);
  job->options = options;
  job->options.sampling.stream = static_cast<std::uint64_t>(stream);
  job->grammar = grammar;
  return job;
}

std::vector<TokenId> ids_of(const Tokenizer& tokenizer, const CompletionRequest::Prompt& prompt) {
  if (!prompt.is_text) return prompt.ids;
  std::vector<TokenId> ids = tokenizer.encode(prompt.text);
  // The end-of-text token that some models want after a text would end what is to be continued.
  if (ids.size() > 1 && tokenizer.eos() && ids.back() == *tokenizer.eos()) ids.pop_back();
  return ids;
}

}  // namespace

Service::Service(Engine& engine, const Model& model, std::string model_name)
    : engine_(engine), model_(model), model_name_(std::move(model_name)) {
  started_ = make_head(true, model_name_).created;
}

void Service::handle(const Request& request, std::shared_ptr<Exchange> exchange) {
  try {
    dispatch(request, exchange);
  } catch (const ApiError& error) {
    send(*exchange, error);
  } catch (const Error& error) {
    const bool theirs = error.kind() == ErrorKind::usage || error.kind() == ErrorKind::format ||
                        error.kind() == ErrorKind::unsupported;
    send(*exchange, ApiError(theirs ? 400 : 500, "", error.what()));
  } catch (const std::bad_alloc&) {
    send(*exchange, ApiError(503, "", "out of memory"));
  } catch (const std::exception& error) {
    send(*exchange, ApiError(500, "", error.what()));
  }
}

void Service::dispatch(const Request& request, const std::shared_ptr<Exchange>& exchange) {
  const auto is = [&](std::string_view path) {
    // OpenAI's clients add /v1 to their base address, or not.
    return request.path == path || request.path == "/v1" + std::string(path);
  };
  const auto need = [&](std::string_view method) {
    const bool head = method == "GET" && request.method == "HEAD";
    if (request.method != method && !head) {
      throw ApiError(405, "", fmt::format("{} is for {}", request.path, method));
    }
  };
  const auto body = [&] {
    need("POST");
    return parse_json(request.body, "request");
  };
  if (is("/chat/completions")) return chat(body(), exchange);
  if (is("/completions")) return completions(body(), exchange);
  if (is("/embeddings")) return embeddings(body(), exchange);
  const Tokenizer& tokenizer = engine_.tokenizer();
  if (is("/tokenize")) {
    const TokenizeRequest asked = read_tokenize_request(body());
    const auto ids = asked.add_special ? tokenizer.encode_trusted(asked.text)
                                       : tokenizer.encode_trusted(asked.text, false);
    return send(*exchange,
                Json{{"tokens", ids}, {"count", ids.size()}, {"max_model_len", engine_.context()}});
  }
  if (is("/detokenize")) {
    const auto ids = read_detokenize_request(body(), tokenizer.vocab_size());
    const std::string text = replace_invalid_utf8(tokenizer.decode(ids, false));
    return send(*exchange, Json{{"content", text}, {"prompt", text}});
  }
  const auto asked = [&](std::string_view path) {
    if (!is(path)) return false;
    need("GET");
    return true;
  };
  if (asked("/models")) return send(*exchange, models());
  if (asked("/models/" + model_name_)) return send(*exchange, models()["data"][0]);
  if (asked("/tokenizer_info")) return send(*exchange, tokenizer_info());
  if (asked("/health")) return send(*exchange, Json{{"status", "ok"}});
  if (asked("/metrics")) {
    return exchange->reply(200, metrics_text(engine_.stats()), "text/plain; version=0.0.4");
  }
  throw ApiError(404, "", fmt::format("there is no {}", request.path.substr(0, 200)));
}

void Service::chat(const Json& body, const std::shared_ptr<Exchange>& exchange) {
  auto request =
      std::make_shared<ChatRequest>(read_chat_request(body, model_.architecture().vocab_size));
  const Tokenizer& tokenizer = engine_.tokenizer();
  std::vector<TokenId> prompt;
  try {
    prompt = chat_prompt(tokenizer, request->messages, request->tools);
  } catch (const Error& error) {
    throw ApiError(400, "messages", fmt::format("messages: {}", error.what()));
  }
  ReplyHead head = make_head(true, model_name_);
  if (request->stream) {
    if (request->n > 1) throw ApiError(400, "n", "n: a stream has one answer");
    auto job = make_job(std::move(prompt), request->options, request->grammar, 0);
    return submit_stream<ChatRequest>(
        engine_, exchange, std::make_shared<AnswerStream>(exchange, tokenizer, std::move(head)),
        request, std::move(job));
  }
  const auto prompt_tokens = static_cast<std::int64_t>(prompt.size());
  std::vector<std::unique_ptr<Job>> jobs;
  for (int i = 0; i < request->n; ++i) {
    jobs.push_back(make_job(prompt, request->options, request->grammar, i));
  }
  const auto finish = [exchange, request, head, prompt_tokens,
                       &tokenizer](std::vector<Outcome>& outcomes) {
    Json choices = Json::array();
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      choices.push_back(chat_choice(static_cast<int>(i), tokenizer, *request, outcomes[i]));
    }
    send(*exchange, whole_reply(head, std::move(choices), usage_of(outcomes, prompt_tokens)));
  };
  const auto n = jobs.size();
  std::make_shared<Gathering>(exchange, n, finish)->submit(engine_, std::move(jobs));
}

void Service::completions(const Json& body, const std::shared_ptr<Exchange>& exchange) {
  auto request = std::make_shared<CompletionRequest>(
      read_completion_request(body, model_.architecture().vocab_size));
  const Tokenizer& tokenizer = engine_.tokenizer();
  auto prompts = std::make_shared<std::vector<std::vector<TokenId>>>();
  for (const auto& prompt : request->prompts) prompts->push_back(ids_of(tokenizer, prompt));
  ReplyHead head = make_head(false, model_name_);
  if (request->stream) {
    if (request->n > 1 || prompts->size() > 1) {
      throw ApiError(400, "stream", "stream: a stream has one prompt and one answer");
    }
    auto job = make_job(prompts->front(), request->options, request->grammar, 0);
    return submit_stream<CompletionRequest>(
        engine_, exchange, std::make_shared<AnswerStream>(exchange, tokenizer, std::move(head)),
        request, std::move(job));
  }
  std::vector<std::unique_ptr<Job>> jobs;
  for (const auto& prompt : *prompts) {
    for (int i = 0; i < request->n; ++i) {
      jobs.push_back(make_job(prompt, request->options, request->grammar, i));
      jobs.back()->echo = request->echo && request->logprobs;
    }
  }
  const auto finish = [exchange, request, prompts, head,
                       &tokenizer](std::vector<Outcome>& outcomes) {
    Json choices = Json::array();
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      const std::size_t p = i / static_cast<std::size_t>(request->n);
      const auto& prompt = request->prompts[p];
      const std::string text = prompt.is_text ? prompt.text : tokenizer.decode(prompt.ids, false);
      choices.push_back(completion_choice(static_cast<int>(i), tokenizer, *request, text,
                                          (*prompts)[p], outcomes[i]));
    }
    send(*exchange,
         whole_reply(head, std::move(choices), usage_of(outcomes, total_tokens(*prompts))));
  };
  const auto n = jobs.size();
  std::make_shared<Gathering>(exchange, n, finish)->submit(engine_, std::move(jobs));
}

void Service::embeddings(const Json& body, const std::shared_ptr<Exchange>& exchange) {
  const EmbeddingRequest request = read_embedding_request(body, model_.architecture().vocab_size);
  std::vector<std::unique_ptr<Job>> jobs;
  std::int64_t tokens = 0;
  for (const auto& input : request.inputs) {
    jobs.push_back(make_job(ids_of(engine_.tokenizer(), input), {}, std::nullopt, 0));
    jobs.back()->embed = true;
    tokens += static_cast<std::int64_t>(jobs.back()->prompt.size());
  }
  const auto finish = [exchange, base64 = request.base64, tokens,
                       name = model_name_](std::vector<Outcome>& outcomes) {
    Json data = Json::array();
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      const auto& x = outcomes[i].embedding;
      const std::string_view bytes(reinterpret_cast<const char*>(x.data()),
                                   x.size() * sizeof(float));
      data.push_back({{"object", "embedding"},
                      {"index", i},
                      {"embedding", base64 ? Json(to_base64(bytes)) : Json(x)}});
    }
    send(*exchange, Json{{"object", "list"},
                         {"data", std::move(data)},
                         {"model", name},
                         {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
  };
  const auto n = jobs.size();
  std::make_shared<Gathering>(exchange, n, finish)->submit(engine_, std::move(jobs));
}

Json Service::models() const {
  const Json model = {{"id", model_name_},
                      {"object", "model"},
                      {"created", started_},
                      {"owned_by", "limbeck"},
                      {"max_model_len", engine_.context()}};
  return {{"object", "list"}, {"data", Json::array({model})}};
}

// What lm-eval asks to tokenize as the server does.
Json Service::tokenizer_info() const {
  const Tokenizer& tokenizer = engine_.tokenizer();
  const auto piece = [&](std::optional<TokenId> id) {
    return id ? Json(tokenizer.token_piece(*id)) : Json();
  };
  return {{"tokenizer_class", "limbeck"},         {"vocab_size", tokenizer.vocab_size()},
          {"bos_token", piece(tokenizer.bos())},  {"eos_token", piece(tokenizer.eos())},
          {"pad_token", piece(tokenizer.pad())},  {"chat_template", tokenizer.chat_template()},
          {"model_max_length", engine_.context()}};
}

}  // namespace limbeck::serve

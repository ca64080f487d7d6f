#include "limbeck/serve/request.h"

#include <algorithm>
#include <random>

#include "limbeck/base/error.h"
#include "limbeck/serve/request_fields.h"
#include "limbeck/task/tool_call.h"

namespace limbeck::serve {
namespace {

constexpr std::size_t kMostTextBytes = 4u << 20;
constexpr std::size_t kMostStops = 16, kMostStopBytes = 1024;
constexpr std::size_t kMostMessages = 4096, kMostPrompts = 512, kMostTools = 256;
constexpr std::int64_t kMostTokens = 1 << 20;
constexpr int kMostAnswers = 32, kMostAlternatives = 20;

// Seeds that nobody gave: another answer each time.
std::uint64_t fresh_seed() {
  static thread_local std::mt19937_64 generator{std::random_device{}()};
  return generator();
}

std::vector<std::string> read_stop(const RequestFields& fields) {
  const Json* stop = fields.find("stop");
  if (!stop) return {};
  const Json list = stop->is_array() ? *stop : Json::array({*stop});
  if (list.size() > kMostStops)
    refuse("stop", "has {} texts, the limit is {}", list.size(), kMostStops);
  std::vector<std::string> texts;
  for (const Json& text : list) {
    if (!text.is_string()) refuse("stop", "must be a string or a list of strings");
    texts.push_back(text.get<std::string>());
    if (texts.back().empty()) refuse("stop", "must not hold an empty string");
    if (texts.back().size() > kMostStopBytes) {
      refuse("stop", "holds a text of {} bytes, the limit is {}", texts.back().size(),
             kMostStopBytes);
    }
  }
  return texts;
}

// {"id": bias, ...} with ids as strings, as JSON has it.
std::vector<LogitBias> read_bias(const RequestFields& fields, std::int64_t vocab_size) {
  const Json* bias = fields.find("logit_bias");
  if (!bias) return {};
  if (!bias->is_object()) refuse("logit_bias", "must be an object of token ids and numbers");
  std::vector<LogitBias> out;
  for (const auto& [key, value] : bias->items()) {
    const bool digits = !key.empty() && key.size() < 10 &&
                        std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
    const std::int64_t id = digits ? std::stol(key) : -1;
    if (id < 0 || id >= vocab_size) {
      refuse("logit_bias", "'{}' is no token id; they are in [0, {})", key.substr(0, 40),
             vocab_size);
    }
    if (!value.is_number() || !(std::abs(value.get<double>()) <= 100)) {
      refuse("logit_bias", "of token {} must be a number in [-100, 100]", id);
    }
    out.push_back({static_cast<TokenId>(id), value.get<double>()});
  }
  return out;
}

void read_sampling(const RequestFields& fields, std::int64_t vocab_size, SamplingRequest& out) {
  out.model = fields.text("model", "", 1024);
  SamplingOptions& sampling = out.options.sampling;
  sampling.temperature = fields.number("temperature", 1, 0, 100);
  sampling.top_p = fields.number("top_p", 1, 0, 1);
  if (sampling.top_p == 0) sampling.top_p = 1e-9;  // the likeliest alone
  sampling.top_k = static_cast<int>(fields.integer("top_k", 0, -1, vocab_size));
  sampling.top_k = std::max(sampling.top_k, 0);  // vLLM's clients send -1 for all
  sampling.min_p = fields.number("min_p", 0, 0, 0.999);
  sampling.repetition_penalty = fields.number("repetition_penalty", 1, 0.01, 100);
  sampling.presence_penalty = fields.number("presence_penalty", 0, -2, 2);
  sampling.frequency_penalty = fields.number("frequency_penalty", 0, -2, 2);
  out.options.logit_bias = read_bias(fields, vocab_size);
  const Json* seed = fields.find("seed");
  sampling.seed = seed ? static_cast<std::uint64_t>(fields.integer(
                             "seed", 0, std::int64_t{-1} << 62, std::int64_t{1} << 62))
                       : fresh_seed();
  out.options.stop = read_stop(fields);
  out.options.ignore_eos = fields.flag("ignore_eos", false);
  out.n = static_cast<int>(fields.integer("n", 1, 1, kMostAnswers));
  out.stream = fields.flag("stream", false);
  if (const Json* options = fields.find("stream_options")) {
    if (!options->is_object()) refuse("stream_options", "must be an object");
    out.include_usage = RequestFields(*options).flag("include_usage", false);
  }
}

// A content of parts becomes one text; other parts than text cannot be shown to the model.
std::string content_text(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) refuse("messages", "a content must be a string or a list of parts");
  std::string text;
  for (const Json& part : content) {
    const auto kind = part.is_object() ? part.find("type") : part.end();
    if (!part.is_object() || kind == part.end() || *kind != "text" || !part.contains("text") ||
        !part["text"].is_string()) {
      refuse("messages", "a content part is not {{\"type\": \"text\", \"text\": ...}}");
    }
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

Json read_message(const Json& message) {
  if (!message.is_object()) refuse("messages", "each must be an object");
  const auto role = message.find("role");
  if (role == message.end() || !role->is_string()) refuse("messages", "each needs a role");
  const auto& name = role->get_ref<const std::string&>();
  if (name != "system" && name != "developer" && name != "user" && name != "assistant" &&
      name != "tool" && name != "function") {
    refuse("messages", "'{}' is no role", name.substr(0, 40));
  }
  Json out = message;
  if (name == "developer") out["role"] = "system";
  const auto content = message.find("content");
  const bool none = content == message.end() || content->is_null();
  const auto calls = message.find("tool_calls");
  if (calls != message.end() && !calls->is_null() && !calls->is_array()) {
    refuse("messages", "tool_calls must be a list");
  }
  if (none && name != "assistant") refuse("messages", "a {} message needs a content", name);
  out["content"] = none ? Json() : Json(content_text(*content));
  return out;
}

Json read_messages(const RequestFields& fields) {
  const Json& messages = fields.required("messages");
  if (!messages.is_array() || messages.empty()) {
    refuse("messages", "must be a list of at least one message");
  }
  if (messages.size() > kMostMessages) {
    refuse("messages", "has {} messages, the limit is {}", messages.size(), kMostMessages);
  }
  Json out = Json::array();
  for (const Json& message : messages) out.push_back(read_message(message));
  return out;
}

// What is wrong with a schema or with tools is the client's error, whatever the compiler calls it.
template <typename Make>
auto blame(const char* param, const Make& make) {
  try {
    return make();
  } catch (const Error& error) {
    refuse(param, "{}", error.what());
  }
}

Grammar grammar_of_format(const Json& format, const char* param) {
  if (!format.is_object()) refuse(param, "must be an object");
  const auto named = format.find("type");
  if (named == format.end() || !named->is_string()) refuse(param, "needs a type");
  const std::string type = named->get<std::string>().substr(0, 64);
  if (type == "json_object") {
    return blame(param, [] { return Grammar::from_json_schema({{"type", "object"}}); });
  }
  if (type != "json_schema") {
    refuse(param, "type must be text, json_object or json_schema, not '{}'", type);
  }
  const auto outer = format.find("json_schema");
  if (outer == format.end() || !outer->is_object()) refuse(param, "json_schema must be an object");
  const auto schema = outer->find("schema");
  if (schema == outer->end()) refuse(param, "json_schema.schema is required");
  return blame(param, [&] { return Grammar::from_json_schema(*schema); });
}

std::optional<Grammar> read_format(const RequestFields& fields) {
  const Json* format = fields.find("response_format");
  if (!format) return std::nullopt;
  if (format->is_object() && format->contains("type") && (*format)["type"] == "text") {
    return std::nullopt;
  }
  return grammar_of_format(*format, "response_format");
}

void read_tools(const RequestFields& fields, ChatRequest& out) {
  const Json* tools = fields.find("tools");
  const Json* choice = fields.find("tool_choice");
  out.parallel_calls = fields.flag("parallel_tool_calls", true);
  if (!tools || (tools->is_array() && tools->empty())) {
    if (choice && *choice != "none" && *choice != "auto") {
      refuse("tool_choice", "there are no tools to choose from");
    }
    return;
  }
  if (!tools->is_array()) refuse("tools", "must be a list");
  if (tools->size() > kMostTools) {
    refuse("tools", "has {} tools, the limit is {}", tools->size(), kMostTools);
  }
  Json known = blame("tools", [&] { return normal_tools(*tools, "tools"); });
  if (choice && *choice == "none") return;
  out.tools = known;
  if (!choice || *choice == "auto") return;
  if (choice->is_object()) {
    const auto function = choice->find("function");
    const bool named = function != choice->end() && function->is_object() &&
                       function->contains("name") && (*function)["name"].is_string();
    if (!named) refuse("tool_choice", "must be none, auto, required, or name a function");
    const std::string name = (*function)["name"].get<std::string>();
    const auto it = std::ranges::find_if(
        known, [&](const Json& tool) { return tool["function"]["name"] == name; });
    if (it == known.end()) refuse("tool_choice", "there is no tool '{}'", name.substr(0, 80));
    known = Json::array({*it});
    out.parallel_calls = false;
  } else if (*choice != "required") {
    refuse("tool_choice", "must be none, auto, required, or name a function");
  }
  out.must_call = true;
  out.grammar = blame("tools", [&] { return Grammar::from_tools(known, false); });
}

void read_max_tokens(const RequestFields& fields, std::int64_t fallback, std::int64_t least,
                     GenerateOptions& options) {
  options.max_tokens = fields.integer("max_tokens", fallback, least, kMostTokens);
  options.max_tokens =
      fields.integer("max_completion_tokens", options.max_tokens, least, kMostTokens);
}

std::vector<TokenId> read_ids(const Json& list, const char* param, std::int64_t vocab_size) {
  std::vector<TokenId> ids;
  for (const Json& id : list) {
    const bool good = id.is_number_integer() && id.get<std::int64_t>() >= 0 &&
                      id.get<std::int64_t>() < vocab_size;
    if (!good) {
      refuse(param, "{} is no token id; they are in [0, {})", RequestFields::shown(id), vocab_size);
    }
    ids.push_back(id.get<TokenId>());
  }
  if (ids.empty()) refuse(param, "must not hold an empty list of tokens");
  return ids;
}

// A text, a list of texts, a list of token ids, or a list of such lists.
std::vector<CompletionRequest::Prompt> read_prompts(const Json& value, const char* param,
                                                    std::int64_t vocab_size) {
  using Prompt = CompletionRequest::Prompt;
  const auto text_of = [&](const Json& text) {
    if (text.get_ref<const std::string&>().size() > kMostTextBytes) {
      refuse(param, "holds a text over {} bytes", kMostTextBytes);
    }
    return Prompt{text.get<std::string>(), {}, true};
  };
  if (value.is_string()) return {text_of(value)};
  if (!value.is_array() || value.empty()) {
    refuse(param, "must be a string, a list of strings, or token ids");
  }
  if (value.front().is_number()) return {Prompt{"", read_ids(value, param, vocab_size), false}};
  if (value.size() > kMostPrompts) {
    refuse(param, "has {} entries, the limit is {}", value.size(), kMostPrompts);
  }
  std::vector<Prompt> prompts;
  for (const Json& entry : value) {
    if (entry.is_string()) {
      prompts.push_back(text_of(entry));
    } else if (entry.is_array()) {
      prompts.push_back({"", read_ids(entry, param, vocab_size), false});
    } else {
      refuse(param, "must be a string, a list of strings, or token ids");
    }
  }
  return prompts;
}

}  // namespace

ChatRequest read_chat_request(const Json& body, std::int64_t vocab_size) {
  const RequestFields fields(body);
  ChatRequest out;
  out.messages = read_messages(fields);
  read_sampling(fields, vocab_size, out);
  read_max_tokens(fields, kMostTokens, 1, out.options);
  out.logprobs = fields.flag("logprobs", false);
  const auto top = fields.integer("top_logprobs", 0, 0, kMostAlternatives);
  if (top > 0 && !out.logprobs) refuse("top_logprobs", "needs logprobs: true");
  out.options.top_logprobs = static_cast<int>(top);
  out.grammar = read_format(fields);
  if (out.grammar && fields.find("tools") && fields.find("tool_choice") &&
      *fields.find("tool_choice") != "none" && *fields.find("tool_choice") != "auto") {
    refuse("response_format", "cannot be combined with a tool that must be called");
  }
  read_tools(fields, out);
  return out;
}

CompletionRequest read_completion_request(const Json& body, std::int64_t vocab_size) {
  const RequestFields fields(body);
  CompletionRequest out;
  out.prompts = read_prompts(fields.required("prompt"), "prompt", vocab_size);
  read_sampling(fields, vocab_size, out);
  read_max_tokens(fields, 16, 0, out.options);
  out.echo = fields.flag("echo", false);
  if (out.echo && out.stream) refuse("echo", "cannot be streamed");
  if (const Json* logprobs = fields.find("logprobs"); logprobs && logprobs->is_boolean()) {
    out.logprobs = logprobs->get<bool>();
  } else {
    const auto n = fields.integer("logprobs", -1, 0, kMostAlternatives);
    out.logprobs = n >= 0;
    out.options.top_logprobs = static_cast<int>(std::max<std::int64_t>(n, 0));
  }
  out.grammar = read_format(fields);
  return out;
}

EmbeddingRequest read_embedding_request(const Json& body, std::int64_t vocab_size) {
  const RequestFields fields(body);
  EmbeddingRequest out;
  out.model = fields.text("model", "", 1024);
  out.inputs = read_prompts(fields.required("input"), "input", vocab_size);
  const std::string format = fields.text("encoding_format", "float", 64);
  if (format != "float" && format != "base64") {
    refuse("encoding_format", "must be float or base64, not '{}'", format);
  }
  out.base64 = format == "base64";
  return out;
}

TokenizeRequest read_tokenize_request(const Json& body) {
  const RequestFields fields(body);
  TokenizeRequest out;
  for (const char* name : {"content", "prompt", "text"}) {
    if (!fields.find(name)) continue;
    out.text = fields.text(name, "", kMostTextBytes);
    out.add_special = fields.flag("add_special_tokens", fields.flag("add_special", true));
    return out;
  }
  refuse("prompt", "is required");
}

std::vector<TokenId> read_detokenize_request(const Json& body, std::int64_t vocab_size) {
  const RequestFields fields(body);
  const Json& tokens = fields.required("tokens");
  if (!tokens.is_array()) refuse("tokens", "must be a list of token ids");
  return tokens.empty() ? std::vector<TokenId>() : read_ids(tokens, "tokens", vocab_size);
}

}  // namespace limbeck::serve

#include "limbeck/serve/reply.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/task/tool_call.h"

namespace limbeck::serve {
namespace {

std::string random_name(std::string_view prefix) {
  static thread_local std::mt19937_64 generator{std::random_device{}()};
  return fmt::format("{}{:016x}{:08x}", prefix, generator(), generator() & 0xffffffffu);
}

// What a token looks like: its text, or the name of a control token.
std::string token_text(const Tokenizer& tokenizer, TokenId id) {
  if (id >= tokenizer.vocab_size()) return {};
  const std::string& bytes = tokenizer.token_bytes(id);
  return bytes.empty() ? tokenizer.token_piece(id) : bytes;
}

Json token_entry(const Tokenizer& tokenizer, TokenId id, float logprob) {
  const std::string bytes = token_text(tokenizer, id);
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return {{"token", replace_invalid_utf8(bytes)}, {"logprob", logprob}, {"bytes", std::move(list)}};
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// <tool_call>...</tool_call> around a call, as Qwen and Hermes models write it.
constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";

std::string without_tags(std::string_view text) {
  if (!text.starts_with(kOpen)) return std::string(text);
  std::string calls = "[";
  while (text.starts_with(kOpen)) {
    const auto end = std::min(text.find(kClose), text.size());
    if (calls.size() > 1) calls += ',';
    calls += text.substr(kOpen.size(), end - kOpen.size());
    text = trimmed(text.substr(std::min(end + kClose.size(), text.size())));
  }
  return calls + ']' + std::string(text);
}

}  // namespace

ReplyHead make_head(bool chat, std::string_view model) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {random_name(chat ? "chatcmpl-" : "cmpl-"), std::string(model),
          std::chrono::duration_cast<std::chrono::seconds>(now).count(), chat};
}

Json Usage::to_json() const {
  return {{"prompt_tokens", prompt},
          {"completion_tokens", completion},
          {"total_tokens", prompt + completion},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

std::string_view finish_reason(Generated::Finish finish, bool called) {
  if (finish == Generated::Finish::length) return "length";
  return called ? "tool_calls" : "stop";
}

std::optional<Json> tool_calls_of(std::string_view text, const Json& tools) {
  try {
    const Json parsed = parse_json(without_tags(trimmed(text)), "answer");
    const std::vector<std::string> names = function_names(tools);
    Json out = Json::array();
    for (const Json& call : normal_calls(parsed, "answer")) {
      if (std::ranges::find(names, call["name"].get<std::string>()) == names.end()) {
        return std::nullopt;
      }
      out.push_back(
          {{"id", random_name("call_")},
           {"type", "function"},
           {"function",
            {{"name", call["name"]}, {"arguments", limbeck::to_text(call["arguments"])}}}});
    }
    if (out.empty()) return std::nullopt;
    return out;
  } catch (const Error&) {
    return std::nullopt;  // it is an answer in words
  }
}

bool may_be_call(std::string_view text) {
  const std::string_view begin = trimmed(text);
  return begin.empty() || begin.front() == '{' || begin.front() == '[' ||
         begin.substr(0, kOpen.size()) == kOpen.substr(0, begin.size());
}

Json chat_logprobs(const Tokenizer& tokenizer, const Generated& generated, std::size_t first,
                   std::size_t last) {
  Json content = Json::array();
  for (std::size_t i = first; i < last; ++i) {
    Json entry = token_entry(tokenizer, generated.ids[i], generated.logprobs[i]);
    Json top = Json::array();
    if (i < generated.top.size()) {
      for (const TokenLogprob& other : generated.top[i]) {
        top.push_back(token_entry(tokenizer, other.id, other.logprob));
      }
    }
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}};
}

Json completion_logprobs(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                         const Outcome& outcome, bool alternatives) {
  Json tokens = Json::array(), logprobs = Json::array(), tops = Json::array(),
       offsets = Json::array();
  std::size_t offset = 0;
  const auto add = [&](TokenId id, Json logprob, const std::vector<TokenLogprob>* top) {
    const std::string text = token_text(tokenizer, id);
    tokens.push_back(replace_invalid_utf8(text));
    logprobs.push_back(std::move(logprob));
    offsets.push_back(offset);
    offset += text.size();
    if (!top) return tops.push_back(nullptr);
    Json entry = Json::object();
    for (const TokenLogprob& other : *top) {
      entry[replace_invalid_utf8(token_text(tokenizer, other.id))] = other.logprob;
    }
    tops.push_back(std::move(entry));
  };
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const bool known = i > 0 && i - 1 < outcome.prompt_logprobs.size();
    const bool listed = i > 0 && i - 1 < outcome.prompt_top.size();
    add(prompt[i], known ? Json(outcome.prompt_logprobs[i - 1]) : Json(),
        listed ? &outcome.prompt_top[i - 1] : nullptr);
  }
  const Generated& generated = outcome.generated;
  for (std::size_t i = 0; i < generated.ids.size(); ++i) {
    add(generated.ids[i], generated.logprobs[i],
        i < generated.top.size() ? &generated.top[i] : nullptr);
  }
  // The token that ended it stands at the end, as in OpenAI's answers; it adds no text.
  if (generated.stop_token) {
    add(generated.stop_token->id, generated.stop_token->logprob, &generated.stop_top);
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", alternatives ? std::move(tops) : Json()},
          {"text_offset", std::move(offsets)}};
}

Json chat_choice(int index, const Tokenizer& tokenizer, const ChatRequest& request,
                 const Outcome& outcome) {
  const Generated& generated = outcome.generated;
  const auto calls =
      request.tools.is_null() ? std::nullopt : tool_calls_of(generated.text, request.tools);
  Json message = {{"role", "assistant"}, {"content", replace_invalid_utf8(generated.text)}};
  if (calls) {
    message["content"] = nullptr;
    message["tool_calls"] = *calls;
  }
  Json logprobs;
  if (request.logprobs) logprobs = chat_logprobs(tokenizer, generated, 0, generated.ids.size());
  return {{"index", index},
          {"message", std::move(message)},
          {"logprobs", std::move(logprobs)},
          {"finish_reason", finish_reason(generated.finish, calls.has_value())}};
}

Json completion_choice(int index, const Tokenizer& tokenizer, const CompletionRequest& request,
                       std::string_view prompt_text, std::span<const TokenId> prompt,
                       const Outcome& outcome) {
  const std::string text =
      (request.echo ? std::string(prompt_text) : std::string()) + outcome.generated.text;
  Json logprobs;
  if (request.logprobs) {
    logprobs = completion_logprobs(tokenizer, request.echo ? prompt : prompt.first(0), outcome,
                                   request.options.top_logprobs > 0);
  }
  return {{"index", index},
          {"text", replace_invalid_utf8(text)},
          {"logprobs", std::move(logprobs)},
          {"finish_reason", finish_reason(outcome.generated.finish, false)}};
}

Json whole_reply(const ReplyHead& head, Json choices, const Usage& usage) {
  return {{"id", head.id},
          {"object", head.chat ? "chat.completion" : "text_completion"},
          {"created", head.created},
          {"model", head.model},
          {"choices", std::move(choices)},
          {"usage", usage.to_json()}};
}

Json chunk(const ReplyHead& head, Json choice, const Usage* usage) {
  Json choices = Json::array();
  if (!choice.is_null()) choices.push_back(std::move(choice));
  Json out = {{"id", head.id},
              {"object", head.chat ? "chat.completion.chunk" : "text_completion"},
              {"created", head.created},
              {"model", head.model},
              {"choices", std::move(choices)}};
  if (usage) out["usage"] = usage->to_json();
  return out;
}

}  // namespace limbeck::serve

// https://platform.openai.com/docs/api-reference/chat/object
#include "limbeck/teacher/endpoint_reply.h"

#include <algorithm>
#include <map>

#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/terminal.h"
#include "limbeck/task/tool_call.h"

namespace limbeck {
namespace {

constexpr std::size_t kMostTokens = 1u << 16, kMostAlternatives = 64;
// Of a request's tokens, as the server counts them. Counts are added up against the budget: one
// that wraps there would make what was used negative.
constexpr std::uint64_t kMostCounted = 1u << 31;
constexpr double kLeastLogprob = -1e6;  // below it nothing differs, and sums stay numbers

[[noreturn]] void refuse(std::string_view what) {
  fail(ErrorKind::network, "the reply is no chat completion: {}", what);
}

const Json& member(const Json& object, const char* key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

std::string without_controls(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 ? byte != 0x7f : c == '\n' || c == '\t') out += c;
  }
  return out;
}

std::string calls_text(const Json& calls) {
  if (calls.size() > limits().reply_tool_calls) {
    refuse(fmt::format("more than {} tool calls", limits().reply_tool_calls));
  }
  Json list = Json::array();
  try {
    for (Json& call : normal_calls(calls, "reply")) list.push_back(std::move(call));
  } catch (const Error& e) {
    refuse(e.what());
  }
  return to_text(list.size() == 1 ? list[0] : list);
}

std::int64_t count_of(const Json& usage, const char* key) {
  const Json& value = member(usage, key);
  if (!value.is_number_unsigned()) return 0;
  return static_cast<std::int64_t>(std::min(value.get<std::uint64_t>(), kMostCounted));
}

// The bytes of a token: the list "bytes" if there, else the text "token".
std::string token_bytes(const Json& entry) {
  const Json& bytes = member(entry, "bytes");
  std::string out;
  if (bytes.is_array()) {
    for (const Json& byte : bytes) {
      if (!byte.is_number_unsigned() || byte.get<std::uint64_t>() > 255) refuse("a token's bytes");
      out += static_cast<char>(byte.get<std::uint8_t>());
    }
    return out;
  }
  const Json& token = member(entry, "token");
  if (!token.is_string()) refuse("a token without text");
  return token.get<std::string>();
}

float logprob_of(const Json& entry) {
  const Json& value = member(entry, "logprob");
  if (!value.is_number()) refuse("a token without log-probability");
  return static_cast<float>(std::clamp(value.get<double>(), kLeastLogprob, 0.0));
}

// token bytes -> id; of several tokens with the same bytes the first.
std::map<std::string, TokenId, std::less<>> ids_by_bytes(const Tokenizer& tokenizer) {
  std::map<std::string, TokenId, std::less<>> ids;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.token_bytes(id).empty()) ids.emplace(tokenizer.token_bytes(id), id);
  }
  return ids;
}

void add_logprobs(TeacherAnswer& answer, const Json& content, const Tokenizer* tokenizer) {
  if (!content.is_array() || content.empty()) return;
  if (content.size() > kMostTokens) refuse("more than 65,536 tokens");
  for (const Json& entry : content) answer.logprob += static_cast<double>(logprob_of(entry));
  if (tokenizer == nullptr) return;
  const auto ids = ids_by_bytes(*tokenizer);
  for (const Json& entry : content) {
    const auto id = ids.find(token_bytes(entry));
    if (id == ids.end()) {  // another vocabulary: text is all there is
      answer.ids.clear();
      answer.soft.clear();
      return;
    }
    answer.ids.push_back(id->second);
    SoftLabel label;
    const Json& top = member(entry, "top_logprobs");
    for (std::size_t i = 0; top.is_array() && i < std::min(top.size(), kMostAlternatives); ++i) {
      const auto other = ids.find(token_bytes(top[i]));
      if (other == ids.end()) continue;
      if (std::find(label.ids.begin(), label.ids.end(), other->second) != label.ids.end()) continue;
      label.ids.push_back(other->second);
      label.values.push_back(logprob_of(top[i]));
    }
    answer.soft.push_back(std::move(label));
  }
  answer.soft.emplace_back();  // the stop token's distribution is not in the reply
}

// The choice of index 0, wherever it stands; the first where none says so.
const Json& first_choice(const Json& choices) {
  for (const Json& choice : choices) {
    if (member(choice, "index") == 0) return choice;
  }
  return choices[0];
}

}  // namespace

std::string error_message(std::string_view body) {
  std::string text(body);
  try {
    const Json reply = parse_json(body, "reply");
    const Json& error = member(reply, "error");
    const Json& message = error.is_object() ? member(error, "message") : error;
    if (message.is_string()) text = message.get<std::string>();
  } catch (const Error&) {  // an HTML page of a proxy, say: show how it begins
  }
  return safe_tty(text.substr(0, 200));
}

TeacherAnswer read_completion(std::string_view body, const Tokenizer* tokenizer) {
  Json reply;
  try {
    JsonLimits limits;
    limits.duplicate_keys = true;
    reply = parse_json(body, "reply", limits);
  } catch (const Error& e) {
    refuse(e.what());
  }
  if (!member(reply, "error").is_null()) {
    fail(ErrorKind::network, "the server says: {}", error_message(body));
  }
  const Json& choices = member(reply, "choices");
  if (!choices.is_array() || choices.empty()) refuse("no choices");
  const Json& choice = first_choice(choices);
  const Json& message = member(choice, "message");
  if (!message.is_object()) refuse("the choice has no message");
  TeacherAnswer answer;
  const Json& content = member(message, "content");
  const Json& calls = member(message, "tool_calls");
  if (!content.is_null() && !content.is_string()) refuse("the content is not text");
  // An answer that was cut is none: nobody shall learn to stop there.
  const Json& finish = member(choice, "finish_reason");
  const bool withheld = finish == "content_filter" || finish == "length";
  if (calls.is_array() && !calls.empty()) {
    answer.text = calls_text(calls);
  } else if (content.is_string() && !withheld) {
    answer.text = without_controls(content.get_ref<const std::string&>());
  } else if (!withheld && !member(message, "refusal").is_string()) {
    refuse("the message has neither content nor tool calls");
  }
  answer.prompt_tokens = count_of(member(reply, "usage"), "prompt_tokens");
  answer.answer_tokens = count_of(member(reply, "usage"), "completion_tokens");
  if (!answer.text.empty()) {
    add_logprobs(answer, member(member(choice, "logprobs"), "content"), tokenizer);
  }
  return answer;
}

}  // namespace limbeck

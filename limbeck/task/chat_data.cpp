// Conversations: OpenAI chat JSON lines {"messages", "tools"} and ShareGPT {"conversations"}.
// https://platform.openai.com/docs/guides/fine-tuning (example format)
#include <fmt/format.h>

#include "limbeck/base/error.h"
#include "limbeck/task/data.h"
#include "limbeck/task/tool_call.h"

namespace limbeck {
namespace {

std::string role_of(const Json& message, const std::string& where) {
  const char* key = message.is_object() && message.contains("from") ? "from" : "role";
  if (!message.is_object() || !message.contains(key) || !message[key].is_string()) {
    fail(ErrorKind::usage, "{}: a message has no role", where);
  }
  const auto role = message[key].get<std::string>();
  if (role == "human") return "user";
  if (role == "gpt") return "assistant";
  if (role == "developer") return "system";
  if (role == "function") return "tool";
  if (role == "system" || role == "user" || role == "assistant" || role == "tool") return role;
  fail(ErrorKind::usage, "{}: unknown role '{}'", where, role);
}

// A string, null, or a list of parts of which only text can be read.
std::string content_of(const Json& message, const std::string& where) {
  const char* key = message.contains("value") ? "value" : "content";
  if (!message.contains(key) || message[key].is_null()) return {};
  const Json& content = message[key];
  if (content.is_string()) return content.get<std::string>();
  if (content.is_object()) return to_text(content);
  std::string text;
  for (const Json& part : content) {
    if (!part.is_object() || !part.contains("text") || !part["text"].is_string()) {
      fail(ErrorKind::usage, "{}: a message holds something that is not text", where);
    }
    text += part["text"].get<std::string>();
  }
  return text;
}

Json normal_message(const Json& message, const std::string& where) {
  Json out = {{"role", role_of(message, where)}, {"content", content_of(message, where)}};
  if (!message.contains("tool_calls") || !message["tool_calls"].is_array() ||
      message["tool_calls"].empty()) {
    return out;
  }
  Json calls = Json::array();
  for (Json& call : normal_calls(message["tool_calls"], where)) {
    calls.push_back({{"type", "function"}, {"function", std::move(call)}});
  }
  out["tool_calls"] = std::move(calls);
  return out;
}

// The answer of an assistant message for this kind of task; null if it holds none.
Json answer_of(const Json& message, TaskKind kind) {
  if (kind != TaskKind::tool_calling) {
    return message["content"].get_ref<const std::string&>().empty() ? Json() : message["content"];
  }
  if (!message.contains("tool_calls")) return nullptr;
  Json calls = Json::array();
  for (const Json& call : message["tool_calls"]) calls.push_back(call["function"]);
  return calls.size() == 1 ? calls[0] : calls;
}

// A lone user message is plain input; anything more stays a conversation.
Json input_of(const Json& messages) {
  if (messages.size() == 1 && messages[0]["role"] == "user") return messages[0]["content"];
  return {{"messages", messages}};
}

void merge_tools(Json& all, const Json& more, const std::string& where) {
  for (const Json& tool : normal_tools(more, where)) {
    const auto& name = tool["function"]["name"].get_ref<const std::string&>();
    const Json* known = find_function(all, name);
    if (known == nullptr) {
      all.push_back(tool);
    } else if (*known != tool["function"]) {
      fail(ErrorKind::usage, "{}: tool '{}' is defined differently in an earlier row", where, name);
    }
  }
}

}  // namespace

Json normal_messages(const Json& messages, const std::string& where) {
  Json out = Json::array();
  for (const Json& message : messages) out.push_back(normal_message(message, where));
  return out;
}

DataFile read_chat(const std::vector<Row>& rows, const std::string& file,
                   const DataOptions& options, TaskKind kind, bool gold) {
  DataFile out;
  out.tools = Json::array();
  Skipped skipped;
  for (const Row& row : rows) {
    const std::string where = fmt::format("{}:{}", file, row.line);
    const char* key = row.value.contains("conversations") ? "conversations" : "messages";
    if (!row.value.contains(key) || !row.value[key].is_array()) {
      fail(ErrorKind::usage, "{}: the row has no list '{}'", where, key);
    }
    if (row.value.contains("tools") && row.value["tools"].is_array() &&
        !row.value["tools"].empty()) {
      merge_tools(out.tools, row.value["tools"], where);
    }
    Json before = Json::array();
    std::size_t before_bytes = 0, copied_bytes = 0;
    const auto& messages = row.value[key];
    bool any = false;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      Json message = normal_message(messages[i], where);
      const bool last = i + 1 == messages.size();
      if (message["role"] == "assistant" && !before.empty() && (last || options.turns == "all")) {
        if (Json answer = answer_of(message, kind); !answer.is_null()) {
          copied_bytes += before_bytes;
          if (copied_bytes > kMostCopied)
            fail_try(ErrorKind::usage, "turns: last learns from the last answer alone",
                     "{}: {} messages are too many to repeat before each answer", where,
                     messages.size());
          out.examples.push_back({input_of(before), std::move(answer), where});
          any = true;
        }
      } else if (last && !gold && message["role"] != "assistant") {
        before.push_back(message);
        out.examples.push_back({input_of(before), std::nullopt, where});
        any = true;
      }
      constexpr std::size_t kMessageBytes = 200;  // what a short one takes in memory
      before_bytes += kMessageBytes + message["content"].get_ref<const std::string&>().size();
      before.push_back(std::move(message));
    }
    if (!any) {
      skipped.add(kind == TaskKind::tool_calling ? "no tool call by the assistant"
                                                 : "no answer by the assistant",
                  row.line);
    }
  }
  if (out.tools.empty()) out.tools = nullptr;
  if (!skipped.text().empty()) out.notes.push_back(file + ": " + skipped.text());
  return out;
}

}  // namespace limbeck

#include "bench/tool_calling/conversations.h"

#include <algorithm>
#include <cctype>

#include "limbeck/task/json_answer.h"
#include "limbeck/task/tool_call.h"

namespace tool_calling {
namespace {

constexpr std::size_t kResults = 3;  // of a search are shown, of up to ten

Json message(const char* role, std::string content) {
  return {{"role", role}, {"content", std::move(content)}};
}

std::string call_text(const std::string& name, const Json& arguments, const Json& tools = nullptr) {
  const Json* function = limbeck::find_function(tools, name);
  return limbeck::to_text(
      {{"name", name},
       {"arguments",
        function ? limbeck::in_schema_order(arguments, (*function)["parameters"]) : arguments}});
}

std::string results_text(const Json& results) {
  Json shown = results;
  if (shown.is_array() && shown.size() > kResults) {
    shown.erase(shown.begin() + static_cast<std::ptrdiff_t>(kResults), shown.end());
  }
  return limbeck::to_text(shown);
}

Json said(const std::string& words) { return message("assistant", kRespond + "\n" + words); }

Json assistant(const std::string& name, const Json& arguments, const Json& tools) {
  if (name == "respond_to_user") return said(arguments.value("message", ""));
  return message("assistant", call_text(name, arguments, tools));
}

bool is_result(const std::string& content) { return content.starts_with("[{") || content == "[]"; }

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_about(const Json& turn, const std::string& service) {
  return std::ranges::all_of(turn["frames"],
                             [&](const Json& frame) { return frame["service"] == service; });
}

void add_turn(const Json& turn, const Json& tools, Conversation& to) {
  const auto words = turn["utterance"].get<std::string>();
  if (turn["speaker"] == "USER") return to.push_back(message("user", words));
  for (const Json& frame : turn["frames"]) {
    if (!frame.contains("service_call")) continue;
    const Json& call = frame["service_call"];
    to.push_back(message("assistant", call_text(call["method"], call["parameters"], tools)));
    to.push_back(message("user", results_text(frame.value("service_results", Json::array()))));
  }
  to.push_back(said(words));
}

// Is every name that a call uses said before it? Others were said while another service was.
bool is_grounded(const Conversation& conversation) {
  std::string before;
  bool any = false;
  for (const Json& one : conversation) {
    const auto& content = one["content"].get_ref<const std::string&>();
    if (one["role"] == "assistant" && !content.starts_with(kRespond)) {
      any = true;
      const Json call = limbeck::parse_json(content, "call");
      for (const char* key : {"city", "cuisine", "restaurant_name"}) {
        const auto value = lower(call["arguments"].value(key, ""));
        if (before.find(value) == std::string::npos) return false;
      }
    }
    before += lower(content) + "\n";
  }
  return any;
}

}  // namespace

const std::string kRespond = call_text("respond_to_user", Json::object());

Conversation from_trace(const Json& row, const Json& tools) {
  Conversation out;
  for (const Json& one : limbeck::parse_json(row["question"].get<std::string>(), "question")) {
    if (one["role"] == "assistant") {
      const Json& function = one["tool_calls"][0]["function"];
      out.push_back(assistant(function["name"], function["arguments"], tools));
      continue;
    }
    auto content = one["content"].get<std::string>();
    if (is_result(content)) content = results_text(limbeck::parse_json(content, "result"));
    out.push_back(message("user", std::move(content)));
  }
  Json answer = row["answer"];
  if (answer.is_string()) answer = limbeck::parse_json(answer.get<std::string>(), "answer");
  out.push_back(assistant(answer["name"], answer["parameters"], tools));
  return out;
}

Conversation from_sgd(const Json& dialogue, const Json& tools) {
  Conversation out;
  for (const Json& turn : dialogue["turns"]) add_turn(turn, tools, out);
  return out;
}

std::vector<Conversation> about(const std::string& service, const Json& dialogue,
                                const Json& tools) {
  std::vector<Conversation> out;
  Conversation open;
  const auto close = [&] {
    if (is_grounded(open)) out.push_back(open);
    open.clear();
  };
  for (const Json& turn : dialogue["turns"]) {
    if (!is_about(turn, service)) {
      close();
    } else if (!open.empty() || turn["speaker"] == "USER") {
      add_turn(turn, tools, open);
    }
  }
  close();
  return out;
}

std::string words_of_user(const Conversation& conversation) {
  std::string words;
  for (const Json& one : conversation) {
    const auto& content = one["content"].get_ref<const std::string&>();
    if (one["role"] == "user" && !is_result(content)) words += lower(content) + "\n";
  }
  return words;
}

}  // namespace tool_calling

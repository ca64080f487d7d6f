// Tool calls: https://platform.openai.com/docs/api-reference/chat (tools, tool_calls).
#include "limbeck/task/tool_call.h"

#include <algorithm>
#include <map>
#include <set>

#include "limbeck/base/error.h"
#include "limbeck/task/json_answer.h"

namespace limbeck {
namespace {

const Json& member(const Json& object, std::string_view key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(std::string(key));
  return found == object.end() ? none : *found;
}

// The arguments with every default of the definition filled in and nulls left out.
std::map<std::string, Json> full_arguments(const Json& tools, const Json& call) {
  std::map<std::string, Json> full;  // a call may have as many as it likes
  const Json* function = find_function(tools, call["name"].get_ref<const std::string&>());
  const Json& arguments = call["arguments"];
  if (function != nullptr) {
    for (const auto& [key, property] :
         member(member(*function, "parameters"), "properties").items()) {
      if (property.is_object() && property.contains("default")) full[key] = property["default"];
    }
  }
  for (const auto& [key, value] : arguments.items()) {
    if (!value.is_null()) full[key] = value;
  }
  std::erase_if(full, [](const auto& argument) { return argument.second.is_null(); });
  return full;
}

}  // namespace

const Json* find_function(const Json& tools, std::string_view name) {
  if (!tools.is_array()) return nullptr;
  for (const Json& tool : tools) {
    const Json& function = member(tool, "function");
    const Json& own_name = member(function, "name");
    if (own_name.is_string() && own_name.get_ref<const std::string&>() == name) return &function;
  }
  return nullptr;
}

std::vector<std::string> function_names(const Json& tools) {
  std::vector<std::string> names;
  for (const Json& tool : tools) names.push_back(tool["function"]["name"].get<std::string>());
  return names;
}

Json normal_tools(const Json& tools, std::string_view where) {
  const Json& list = tools.is_object() && tools.contains("tools") ? tools["tools"] : tools;
  if (!list.is_array() || list.empty()) {
    fail(ErrorKind::usage, "{}: tools must be a list of function definitions", where);
  }
  Json out = Json::array();
  std::set<std::string> names;
  for (const Json& tool : list) {
    const Json& function = tool.is_object() && tool.contains("function") ? tool["function"] : tool;
    const Json& name = member(function, "name");
    if (!name.is_string() || name.get_ref<const std::string&>().empty()) {
      fail(ErrorKind::usage, "{}: tool {} has no name", where, out.size() + 1);
    }
    if (!names.insert(name.get<std::string>()).second) {
      fail(ErrorKind::usage, "{}: tool '{}' is defined twice", where, name.get<std::string>());
    }
    const Json& parameters = member(function, "parameters");
    if (!parameters.is_null() && !parameters.is_object()) {
      fail(ErrorKind::usage, "{}: the parameters of tool '{}' are not a JSON Schema object", where,
           name.get<std::string>());
    }
    Json normal = function;
    if (parameters.is_null()) {
      normal["parameters"] = {{"type", "object"}, {"properties", Json::object()}};
    }
    out.push_back({{"type", "function"}, {"function", normal}});
  }
  return out;
}

Json normal_call(const Json& call, std::string_view where) {
  const Json& inner =
      call.is_object() && member(call, "function").is_object() ? call["function"] : call;
  const Json& name = member(inner, "name");
  if (!name.is_string()) fail(ErrorKind::usage, "{}: a tool call needs a \"name\"", where);
  const Json* arguments = &member(inner, "arguments");
  if (arguments->is_null()) arguments = &member(inner, "parameters");
  Json normal = Json::object();
  if (arguments->is_string()) {
    try {
      normal = parse_json(arguments->get_ref<const std::string&>(), "arguments");
    } catch (const Error& e) {
      fail(ErrorKind::usage, "{}: the arguments of the call to '{}' are not JSON: {}", where,
           name.get<std::string>(), e.what());
    }
  } else if (!arguments->is_null()) {
    normal = *arguments;
  }
  if (!normal.is_object()) {
    fail(ErrorKind::usage, "{}: the arguments of the call to '{}' are not an object", where,
         name.get<std::string>());
  }
  return {{"name", name}, {"arguments", normal}};
}

std::vector<Json> normal_calls(const Json& calls, std::string_view where) {
  std::vector<Json> out;
  if (!calls.is_array()) {
    out.push_back(normal_call(calls, where));
    return out;
  }
  for (const Json& call : calls) out.push_back(normal_call(call, where));
  return out;
}

bool same_call(const Json& tools, const Json& a, const Json& b) {
  return a["name"] == b["name"] &&
         std::ranges::equal(full_arguments(tools, a), full_arguments(tools, b),
                            [](const auto& one, const auto& other) {
                              return one.first == other.first &&
                                     same_value(one.second, other.second);
                            });
}

double staged_score(const Json& tools, const Json& call, const Json& gold) {
  if (call["name"] != gold["name"]) return 0;
  const auto predicted = full_arguments(tools, call), expected = full_arguments(tools, gold);
  std::size_t right = 0, both = 0;
  for (const auto& [key, value] : expected) {
    ++both;
    right += predicted.contains(key) && same_value(predicted.at(key), value);
  }
  for (const auto& [key, value] : predicted) both += !expected.contains(key);
  return both == 0 ? 1 : 0.5 + 0.5 * static_cast<double>(right) / static_cast<double>(both);
}

bool same_calls(const Json& tools, const std::vector<Json>& calls, const std::vector<Json>& gold) {
  if (calls.size() != gold.size()) return false;
  std::vector<bool> used(gold.size());
  for (const Json& call : calls) {
    std::size_t i = 0;
    while (i < gold.size() && (used[i] || !same_call(tools, call, gold[i]))) ++i;
    if (i == gold.size()) return false;
    used[i] = true;
  }
  return true;
}

double staged_score(const Json& tools, const std::vector<Json>& calls,
                    const std::vector<Json>& gold) {
  const std::size_t longest = std::max(calls.size(), gold.size());
  if (longest == 0) return 1;
  std::vector<bool> used(gold.size());
  double total = 0;
  for (const Json& call : calls) {
    double best = 0;
    std::size_t at = gold.size();
    for (std::size_t i = 0; i < gold.size(); ++i) {
      if (used[i]) continue;
      if (const double score = staged_score(tools, call, gold[i]); score > best) {
        best = score;
        at = i;
      }
    }
    if (at < gold.size()) used[at] = true;
    total += best;
  }
  return total / static_cast<double>(longest);
}

}  // namespace limbeck

// Tool definitions and calls: the OpenAI shapes, and when two calls are the same call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"

namespace limbeck {

// The function object {"name", "description", "parameters"} of that name, or nullptr.
// `tools`: list of {"type": "function", "function": {...}}.
const Json* find_function(const Json& tools, std::string_view name);
std::vector<std::string> function_names(const Json& tools);

// A list of definitions in the one shape above, from that shape or bare functions {"name",
// "parameters"}. Throws Error{usage} naming `where` on anything else, or a name twice.
Json normal_tools(const Json& tools, std::string_view where);

// {"name", "arguments": {...}} from the shapes in use: itself, "parameters" for "arguments",
// {"function": {...}} around it, arguments as a JSON string. Throws Error{usage} naming `where`.
Json normal_call(const Json& call, std::string_view where);
// The calls of an answer, a single object or a list, each normalised. Throws likewise.
std::vector<Json> normal_calls(const Json& calls, std::string_view where);

// The same function with the same arguments: order-free, 1 == 1.0, strings trimmed; an argument
// left out equals null and equals the default of the definition.
bool same_call(const Json& tools, const Json& a, const Json& b);

// .5 for the right function plus .5 times the share of arguments (of both calls together) that
// agree; a wrong function is 0.
double staged_score(const Json& tools, const Json& call, const Json& gold);

// Several calls in any order: all matched one to one; the mean staged score of the best greedy
// pairing, over the longer list.
bool same_calls(const Json& tools, const std::vector<Json>& calls, const std::vector<Json>& gold);
double staged_score(const Json& tools, const std::vector<Json>& calls,
                    const std::vector<Json>& gold);

}  // namespace limbeck

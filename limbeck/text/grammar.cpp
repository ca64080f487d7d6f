#include "limbeck/text/grammar.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "limbeck/text/grammar_rules.h"
#include "limbeck/text/schema_compiler.h"

namespace limbeck {
namespace {

// Deeper than any JSON reader of ours goes; a stack must not grow without end.
constexpr std::uint32_t kMaxDepth = 1000;

Json call_schema(const Json& tool) {
  const Json& function = tool.is_object() && tool.contains("function") ? tool["function"] : tool;
  if (!function.is_object() || !function.contains("name") || !function["name"].is_string())
    fail(ErrorKind::format, "tools: a tool without a name");
  const bool plain = !function.contains("parameters") || function["parameters"].is_null();
  const Json none = {{"type", "object"}, {"properties", Json::object()}};
  return {{"type", "object"},
          {"properties",
           {{"name", {{"const", function["name"]}}},
            {"arguments", plain ? none : function["parameters"]}}},
          {"required", {"name", "arguments"}}};
}

// References of a tool's parameters mean the parameters, not the schema around them.
void move_references(Json& schema, const std::string& prefix, std::size_t depth) {
  if (depth == 0) return;  // too deep: refused by the compiler
  if (schema.is_object()) {
    const auto ref = schema.find("$ref");
    if (ref != schema.end() && ref->is_string() &&
        ref->get_ref<const std::string&>().starts_with('#'))
      *ref = "#" + prefix + ref->get<std::string>().substr(1);
  }
  if (schema.is_structured())
    for (Json& part : schema) move_references(part, prefix, depth - 1);
}

}  // namespace

Grammar Grammar::from_json_schema(const Json& schema) {
  RulesBuilder builder;
  const RuleId rule = builder.add_rule();
  SchemaCompiler(builder).compile(rule, schema);
  return Grammar(builder.finish("schema"));
}

Grammar Grammar::any_json() {
  RulesBuilder builder;
  const RuleId rule = builder.add_rule();
  SchemaCompiler(builder).compile_any(rule);
  return Grammar(builder.finish("any JSON"));
}

Grammar Grammar::from_choices(std::span<const std::string> choices) {
  if (choices.empty()) fail(ErrorKind::usage, "choices: there are none");
  for (const std::string& choice : choices)
    if (choice.empty()) fail(ErrorKind::usage, "choices: one is empty");
  RulesBuilder builder;
  const RuleId rule = builder.add_rule();
  const NodeId end = builder.node();
  builder.accept(end);
  builder.choices(builder.start(rule), {choices.begin(), choices.end()}, end);
  return Grammar(builder.finish("choices"));
}

Grammar Grammar::from_tools(const Json& tools, bool parallel) {
  if (!tools.is_array() || tools.empty()) fail(ErrorKind::usage, "tools: expected a list of tools");
  check_schema_size(tools, GrammarLimits());
  Json calls = Json::array();
  for (std::size_t i = 0; i < tools.size(); ++i) {
    calls.push_back(call_schema(tools[i]));
    const std::string at =
        fmt::format("{}/anyOf/{}/properties/arguments", parallel ? "/items" : "", i);
    move_references(calls.back()["properties"]["arguments"], at, GrammarLimits().depth + 1);
  }
  Json schema = {{"anyOf", std::move(calls)}};
  if (parallel) schema = {{"type", "array"}, {"items", std::move(schema)}, {"minItems", 1}};
  return from_json_schema(schema);
}

namespace {

using Frame = GrammarState::Frame;
using Position = GrammarState::Position;

// Collects positions with all that follows from them without reading: empty moves, calls, returns.
// No rule matches the empty text, so a frame made here has all its callers before it is returned
// from.
class Closure {
 public:
  Closure(const Grammar::Rules& rules, std::vector<Position>& out) : rules_(rules), out_(out) {}

  void add(std::uint32_t node, std::shared_ptr<const Frame> frame) {
    work_.push_back({node, std::move(frame)});
    while (!work_.empty()) {
      const Position position = std::move(work_.back());
      work_.pop_back();
      if (is_new(position)) visit(position);
    }
  }
  bool complete() const noexcept { return complete_; }

 private:
  static std::uint64_t key(const Position& p) {
    return (static_cast<std::uint64_t>(p.node) << 32) ^
           reinterpret_cast<std::uintptr_t>(p.frame.get());
  }
  bool is_new(const Position& position) {
    constexpr std::size_t kFew = 32;  // are searched from the front
    const auto same = [&](const Position& other) {
      return other.node == position.node && other.frame == position.frame;
    };
    if (out_.size() < kFew) {
      if (std::any_of(out_.begin(), out_.end(), same)) return false;
    } else {
      if (index_.empty())
        for (std::size_t i = 0; i < out_.size(); ++i) index_.emplace(key(out_[i]), i);
      const auto [from, to] = index_.equal_range(key(position));
      for (auto i = from; i != to; ++i)
        if (same(out_[i->second])) return false;
      index_.emplace(key(position), out_.size());
    }
    out_.push_back(position);
    return true;
  }

  void visit(const Position& position) {
    const auto& [node, frame] = position;
    for (const NodeId to : rules_.empty_of(node)) work_.push_back({to, frame});
    const std::uint32_t depth = frame ? frame->depth + 1 : 1;
    if (depth <= kMaxDepth)
      for (const auto& call : rules_.calls_of(node)) {
        auto& callee = called_[call.rule];
        if (!callee) {
          callee = std::make_shared<Frame>();
          work_.push_back({rules_.starts[call.rule], callee});
        }
        callee->returns.push_back({call.target, frame});
        callee->depth = std::max(callee->depth, depth);
      }
    if (!rules_.nodes[node].accepts) return;
    if (!frame) complete_ = true;
    if (frame)
      for (const auto& back : frame->returns) work_.push_back({back.node, back.outer});
  }

  const Grammar::Rules& rules_;
  std::vector<Position>& out_;
  std::vector<Position> work_;
  std::unordered_multimap<std::uint64_t, std::size_t> index_;
  std::map<RuleId, std::shared_ptr<Frame>> called_;
  bool complete_ = false;
};

// Positions without a byte to read are of no use once their consequences are known.
void drop_silent(const Grammar::Rules& rules, std::vector<Position>& positions) {
  std::erase_if(positions, [&](const auto& p) { return rules.bytes_of(p.node).empty(); });
}

}  // namespace

GrammarState::GrammarState(const Grammar& grammar) : rules_(grammar.rules()) {
  Closure closure(*rules_, positions_);
  closure.add(rules_->starts[0], nullptr);
  complete_ = closure.complete();
  drop_silent(*rules_, positions_);
}

bool GrammarState::advance(std::uint8_t byte) {
  std::vector<Position> next;
  Closure closure(*rules_, next);
  for (const Position& position : positions_)
    for (const auto& move : rules_->bytes_of(position.node))
      if (move.low <= byte && byte <= move.high) closure.add(move.target, position.frame);
  if (next.empty()) return false;
  complete_ = closure.complete();
  drop_silent(*rules_, next);
  positions_.swap(next);
  return true;
}

bool GrammarState::advance(std::string_view bytes) {
  GrammarState next = *this;
  for (const char c : bytes)
    if (!next.advance(static_cast<std::uint8_t>(c))) return false;
  *this = std::move(next);
  return true;
}

}  // namespace limbeck

// JSON Schema -> rules.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/text/grammar_rules.h"

namespace limbeck {

class SchemaCompiler {
 public:
  explicit SchemaCompiler(RulesBuilder& builder) : builder_(builder) {}

  // Makes `rule` match the JSON texts valid under `schema`, which must live as long as this.
  void compile(RuleId rule, const Json& schema);
  // Makes `rule` match any JSON value, or calls of the tools.
  void compile_any(RuleId rule);

 private:
  struct Place {  // a schema, the document its references mean, and its JSON pointer there
    const Json* schema;
    const Json* root;
    std::string pointer;
  };
  struct Job {
    RuleId rule;
    Place place;
  };
  struct Property {
    std::string name;
    RuleId value;
    bool required;
  };

  void run();
  RuleId rule_for(const Place& place);
  RuleId any_rule();
  Place part(const Place& place, const char* key) const;
  Place made(const Place& place, Json schema);  // keeps a schema that was made here

  void expand(const Place& place, NodeId from, NodeId to);
  void expand_alternatives(const Place& place, const char* key, NodeId from, NodeId to);
  void expand_reference(const Place& place, NodeId from, NodeId to);
  void expand_values(const Place& place, const char* key, const Json& values, NodeId from,
                     NodeId to);
  void expand_type(const Place& place, const std::string& type, NodeId from, NodeId to);
  void expand_number(const Place& place, bool integer, NodeId from, NodeId to);
  void expand_string(const Place& place, NodeId from, NodeId to);
  void expand_array(const Place& place, NodeId from, NodeId to);
  void expand_object(const Place& place, NodeId from, NodeId to);
  bool object_properties(const Place& place, std::vector<Property>& properties);
  void free_object(const Place& place, RuleId value, NodeId from, NodeId to);
  void any_value(NodeId from, NodeId to);
  std::vector<std::string> types_of(const Place& place) const;
  void refuse_unsupported(const Place& place) const;
  void spend();
  std::size_t count(const Place& place, const char* key, std::size_t fallback) const;
  [[noreturn]] void bad(const Place& place, std::string_view why) const;
  [[noreturn]] void unsupported(const Place& place, std::string_view what) const;

  RulesBuilder& builder_;
  std::deque<Json> made_;
  std::map<std::pair<const Json*, const Json*>, RuleId> rules_;
  std::vector<Job> work_;
  std::size_t expansions_ = 0, merging_ = 0;
  bool has_any_ = false;
  RuleId any_ = 0;
};

// Throws Error{format} if the schema is larger or nests deeper than the limits.
void check_schema_size(const Json& schema, const GrammarLimits& limits);

}  // namespace limbeck

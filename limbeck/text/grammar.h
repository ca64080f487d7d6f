// Grammars over bytes, compiled from a JSON Schema, a label set or tool definitions, and the state
// that walks them: what constrained decoding asks which bytes may come next.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"

namespace limbeck {

class Grammar {
 public:
  // JSON text valid under `schema`: compact separators ", " and ": " or none (any JSON whitespace
  // up to a few blanks is allowed), properties in the order of the schema, required ones present.
  // Throws Error{unsupported} naming keyword and JSON pointer for what is not supported,
  // Error{format} for a bad or exploding schema (limits of the trust table).
  static Grammar from_json_schema(const Json& schema);
  // Exactly one of the strings. Throws Error{usage} if empty.
  static Grammar from_choices(std::span<const std::string> choices);
  // {"name": ..., "arguments": {...}} for one of the OpenAI tool definitions; an array of such
  // calls if parallel.
  static Grammar from_tools(const Json& tools, bool parallel = false);
  static Grammar any_json();

  struct Rules;
  const std::shared_ptr<const Rules>& rules() const noexcept { return rules_; }

 private:
  explicit Grammar(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}
  std::shared_ptr<const Rules> rules_;
};

// A set of positions in the grammar. Copyable; cheap to copy.
class GrammarState {
 public:
  explicit GrammarState(const Grammar& grammar);

  // The state after `byte`; false (and the state unchanged) if it may not come here.
  bool advance(std::uint8_t byte);
  bool advance(std::string_view bytes);  // all or nothing
  bool can_end() const;                  // the text so far is complete
  bool must_end() const;                 // and nothing may follow

 private:
  friend class TokenMask;
  std::shared_ptr<const Grammar::Rules> rules_;
  std::vector<std::uint32_t> stacks_;  // see grammar.cpp
};

// Which tokens may come next, by walking the tokens' byte trie with the state.
class TokenMask {
 public:
  // tokens[id]: the token's bytes; empty ones (control tokens) are never allowed.
  explicit TokenMask(std::span<const std::string> tokens);
  ~TokenMask();

  // Sets allowed[id] for each token whose bytes may all come next. allowed.size() == number of
  // tokens.
  void fill(const GrammarState& state, std::vector<bool>& allowed) const;

 private:
  struct Trie;
  std::unique_ptr<Trie> trie_;
};

}  // namespace limbeck

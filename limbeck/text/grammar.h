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
  // JSON text valid under `schema` (draft 2020-12; every text of the grammar is valid, though not
  // every valid text is of the grammar):
  // - properties in the order of the schema, required ones present, others or none besides only
  //   where additionalProperties says so (or the schema names no properties at all);
  // - type (lists, too), nullable, enum, const, items, prefixItems, minItems, maxItems, minLength,
  //   maxLength, pattern (see pattern.h), format (date, time, date-time, email, uuid, ipv4; others
  //   are annotations), minimum, maximum and the exclusive ones (exact; such numbers are written
  //   without exponent), minProperties and maxProperties of objects without named properties;
  // - anyOf, oneOf (as a union: that only one fits is not enforced), allOf (merged), $ref and $defs
  //   within the schema, recursion included; true and false;
  // - at most 4,096 characters of a string and 1,000 items of a list where maxLength and maxItems
  //   allow more;
  // - between tokens nothing or up to 16 characters of white space.
  // Throws Error{unsupported} naming keyword and JSON pointer for what is not supported (not,
  // if, contains, multipleOf, uniqueItems, patternProperties, remote $ref, ...), Error{format} for
  // a schema that is not one, that nothing can satisfy, or that exceeds a limit (256 KiB, depth 64,
  // 10,000 expansions of $ref and allOf, 200,000 states, enum of 10,000,
  // 0.5 s of processor time).
  static Grammar from_json_schema(const Json& schema);
  // Exactly one of the strings. Throws Error{usage} if there are none, or one is empty.
  static Grammar from_choices(std::span<const std::string> choices);
  // {"name": ..., "arguments": {...}} for one of the OpenAI tool definitions; an array of such
  // calls, at least one, if parallel. Throws as from_json_schema, and Error{usage} for no tools.
  static Grammar from_tools(const Json& tools, bool parallel = false);
  static Grammar any_json();

  struct Rules;
  const std::shared_ptr<const Rules>& rules() const noexcept { return rules_; }

 private:
  explicit Grammar(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}
  std::shared_ptr<const Rules> rules_;
};

// A set of positions in the grammar. Copyable; cheap to copy. Each copy belongs to one thread.
class GrammarState {
 public:
  explicit GrammarState(const Grammar& grammar);

  // The state after `byte`; false (and the state unchanged) if it may not come here.
  bool advance(std::uint8_t byte);
  bool advance(std::string_view bytes);                              // all or nothing
  bool can_end() const { return complete_; }                         // the text so far is complete
  bool must_end() const { return complete_ && positions_.empty(); }  // and nothing may follow

  // A rule being matched: where its callers go on when it has. All callers at the same byte share
  // one frame, so that ambiguous grammars stay small.
  struct Frame;
  struct Return {
    std::uint32_t node;
    std::shared_ptr<const Frame> outer;  // null: the outermost rule
  };
  struct Frame {
    std::vector<Return> returns;
    std::uint32_t depth = 1;
  };
  struct Position {
    std::uint32_t node;
    std::shared_ptr<const Frame> frame;  // null: the outermost rule
  };
  // All positions that a byte can move on from.
  std::span<const Position> positions() const noexcept { return positions_; }
  const std::shared_ptr<const Grammar::Rules>& rules() const noexcept { return rules_; }

 private:
  std::shared_ptr<const Grammar::Rules> rules_;
  std::vector<Position> positions_;
  bool complete_ = false;
};

// Which tokens may come next, by walking the tokens' byte trie with the state. One mask serves any
// number of grammars and threads; it remembers what it found for the nodes of a grammar, up to
// 64 MiB.
class TokenMask {
 public:
  // tokens[id]: the token's bytes; empty ones (control tokens) are never allowed.
  explicit TokenMask(std::span<const std::string> tokens);
  ~TokenMask();
  TokenMask(TokenMask&&) noexcept;
  TokenMask& operator=(TokenMask&&) noexcept;

  // Sets allowed[id] for each token whose bytes may all come next, and clears the others.
  // allowed.size() == number of tokens.
  void fill(const GrammarState& state, std::vector<bool>& allowed) const;
  // The same as bits: token id is bit id % 64 of words[id / 64]; words.size() == n_words().
  void fill(const GrammarState& state, std::span<std::uint64_t> words) const;
  std::size_t n_words() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace limbeck

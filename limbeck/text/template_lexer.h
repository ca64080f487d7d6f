// Splits a template into text and the tokens between {{ }} and {% %}, with Jinja's rules for white
// space (trim_blocks and lstrip_blocks on). Source: Jinja 3.1 documentation, "Template Designer".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace limbeck::jinja {

enum class TokenType {
  data,            // text of the template
  variable_begin,  // {{
  variable_end,
  block_begin,  // {%
  block_end,
  name,
  string,   // text: unescaped
  integer,  // text: digits without underscores, with 0x, 0o or 0b
  real,
  symbol,  // operators and brackets
  end,
};

struct Token {
  TokenType type;
  std::string text;
  std::size_t line;
};

// Throws Error{format} with the line. Comments are dropped.
std::vector<Token> tokenize(std::string_view source, const std::string& origin);

}  // namespace limbeck::jinja

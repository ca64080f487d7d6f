// Sets of characters in a pattern: escapes, properties and [...] of Oniguruma in PCRE2's words.
#pragma once

#include <string>
#include <vector>

#include "limbeck/text/regex_cursor.h"

namespace limbeck::regex {

inline constexpr int kMaxDepth = 64;  // of groups, and of classes

// A set of characters: members that PCRE2 can list in one class, and expressions, each matching one
// character, that it cannot (complements and nested classes).
struct CharacterSet {
  std::string members;
  std::vector<std::string> others;

  std::string expression(bool negated) const;  // matches one character
};

// At a backslash: \s, \p{L}, \n, \., ...: adds what it stands for and moves past it. Throws
// Error{format} and Error{unsupported}, as read_class.
void read_escape(Cursor& cursor, CharacterSet& set);

// At a '[': the class, with nested classes, POSIX names, ranges and intersections (&&), as an
// expression; moves past it.
std::string read_class(Cursor& cursor);

}  // namespace limbeck::regex

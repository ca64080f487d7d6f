// Names of character sets in Oniguruma's words, and what they are in PCRE2's. Sources: Oniguruma's
// doc/RE (6.9), pcre2pattern(3).
#pragma once

#include <array>
#include <string_view>
#include <utility>

namespace limbeck::regex {

// What both read differently, spelled out as members of a character class.
inline constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
inline constexpr std::string_view kHex = "0-9a-fA-F";

using Name = std::pair<std::string_view, std::string_view>;

// Properties that PCRE2 10.42 does not know by Oniguruma's name (lower case, without -, _, blank).
inline constexpr std::array kProperties = {
    Name{"letter", "L"},
    Name{"uppercaseletter", "Lu"},
    Name{"lowercaseletter", "Ll"},
    Name{"titlecaseletter", "Lt"},
    Name{"modifierletter", "Lm"},
    Name{"otherletter", "Lo"},
    Name{"mark", "M"},
    Name{"combiningmark", "M"},
    Name{"nonspacingmark", "Mn"},
    Name{"spacingmark", "Mc"},
    Name{"enclosingmark", "Me"},
    Name{"number", "N"},
    Name{"decimalnumber", "Nd"},
    Name{"letternumber", "Nl"},
    Name{"othernumber", "No"},
    Name{"punctuation", "P"},
    Name{"connectorpunctuation", "Pc"},
    Name{"dashpunctuation", "Pd"},
    Name{"openpunctuation", "Ps"},
    Name{"closepunctuation", "Pe"},
    Name{"initialpunctuation", "Pi"},
    Name{"finalpunctuation", "Pf"},
    Name{"otherpunctuation", "Po"},
    Name{"symbol", "S"},
    Name{"mathsymbol", "Sm"},
    Name{"currencysymbol", "Sc"},
    Name{"modifiersymbol", "Sk"},
    Name{"othersymbol", "So"},
    Name{"separator", "Z"},
    Name{"spaceseparator", "Zs"},
    Name{"lineseparator", "Zl"},
    Name{"paragraphseparator", "Zp"},
    Name{"other", "C"},
    Name{"control", "Cc"},
    Name{"format", "Cf"},
    Name{"surrogate", "Cs"},
    Name{"privateuse", "Co"},
    Name{"unassigned", "Cn"},
    Name{"alpha", "Alphabetic"},
    Name{"space", "White_Space"},
    Name{"upper", "Uppercase"},
    Name{"lower", "Lowercase"},
    Name{"digit", "Nd"},
    Name{"cntrl", "Cc"},
    Name{"punct", "P"},
};

// [[:name:]] as members of a class.
inline constexpr std::array kPosix = {
    Name{"alpha", "\\p{Alphabetic}"},
    Name{"digit", "\\p{Nd}"},
    Name{"alnum", "\\p{Alphabetic}\\p{Nd}"},
    Name{"upper", "\\p{Uppercase}"},
    Name{"lower", "\\p{Lowercase}"},
    Name{"space", "\\p{White_Space}"},
    Name{"blank", "\\p{Zs}\\t"},
    Name{"cntrl", "\\p{Cc}"},
    Name{"punct", "\\p{P}\\p{S}"},
    Name{"word", kWord},
    Name{"xdigit", kHex},
    Name{"ascii", "\\x{0}-\\x{7f}"},
};

// The value of `name` in such a table; null where it is not there.
template <typename Table>
const std::string_view* find(const Table& table, std::string_view name) {
  for (const auto& [key, value] : table) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace limbeck::regex

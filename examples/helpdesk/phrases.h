// A small phrase grammar: templates with alternatives, word lists and given values. The same seed
// always writes the same data.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "limbeck/base/random.h"

namespace helpdesk {

using Values = std::map<std::string, std::string, std::less<>>;

// Expands {a|b|c} (one of them), {name} (a value of `values`, else a word of the list `name`),
// nested.
std::string expand(std::string_view text, const Values& values, limbeck::Random& random);

// One word of a list: product, person, city, street, month, weekday, color, opener, closer, ...
const std::string& word(std::string_view list, limbeck::Random& random);

// An order number (NW-48213), a date (14 March), an amount (23.50), a whole number in [low, high].
std::string order_number(limbeck::Random& random);
std::string date(limbeck::Random& random);
std::string amount(limbeck::Random& random);
int number(int low, int high, limbeck::Random& random);

// True with this probability.
bool chance(double probability, limbeck::Random& random);

// What people do to text: lower case, dropped or doubled letters, missing full stops.
std::string hurried(std::string text, limbeck::Random& random);

}  // namespace helpdesk

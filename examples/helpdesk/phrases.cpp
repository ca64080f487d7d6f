#include "examples/helpdesk/phrases.h"

#include <fmt/core.h>

#include <cctype>
#include <vector>

#include "limbeck/base/error.h"

namespace helpdesk {
namespace {

using Lists = std::map<std::string, std::vector<std::string>, std::less<>>;

const Lists& lists() {
  static const Lists lists = {
      {"product", {"desk lamp",    "kettle",        "rain jacket",  "office chair",
                   "backpack",     "toaster",       "keyboard",     "coffee grinder",
                   "wool blanket", "headphones",    "water bottle", "running shoes",
                   "bookshelf",    "blender",       "phone case",   "garden hose",
                   "tent",         "mirror",        "pillow",       "radio",
                   "bicycle pump", "cutting board", "fan",          "wallet"}},
      {"person", {"Anna", "Ben",   "Clara", "David",  "Elena", "Frank", "Grace", "Henry",
                  "Iris", "Jonas", "Karin", "Leo",    "Maria", "Nils",  "Olga",  "Paul",
                  "Rosa", "Samir", "Tina",  "Victor", "Wanda", "Yusuf"}},
      {"city",
       {"Oslo", "Bergen", "Hamburg", "Lyon", "Porto", "Ghent", "Malmo", "Turku", "Graz", "Basel",
        "Krakow", "Brno", "Leeds", "Cork", "Turin", "Bilbao"}},
      {"street",
       {"Mill Road", "Station Street", "Harbour Lane", "Oak Avenue", "Church Street", "River Walk",
        "Park Row", "Castle Hill", "Market Square", "Elm Close"}},
      {"month",
       {"January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December"}},
      {"weekday", {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}},
      {"color", {"black", "white", "green", "blue", "red", "grey", "yellow", "brown"}},
      {"material", {"steel", "oak", "cotton", "glass", "leather", "wool", "bamboo", "rubber"}},
      {"opener",
       {"Hello,", "Hi there,", "Good morning,", "Hi,", "Dear team,", "Hey,", "Good evening,",
        "Hello support,", "To whom it may concern,", "Hi Norwood,"}},
      {"closer",
       {"Thanks.", "Thank you!", "Please advise.", "Looking forward to your reply.",
        "Best, {person}.", "Kind regards, {person}.", "Can you help?", "Please help.",
        "This is urgent.", "Cheers, {person}.", "I have been a customer for years."}},
      // Clauses that name another subject without being the request.
      {"aside",
       {"I already changed my password last week.", "The website looked fine this time.",
        "My last parcel came quickly.", "I paid by card as always.",
        "The discount worked without trouble.", "I moved house in {month}.",
        "My old {product} from you still works.", "Your shop in {city} could not tell me.",
        "The invoice is in order.", "I do not want to return anything.",
        "I bought it as a present.", "The colour is {color}, by the way.",
        "It is for my office in {city}.", "Nothing is broken."}},
  };
  return lists;
}

// The position after the brace that closes the one at `open`.
std::size_t matching_brace(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i + 1;
  }
  limbeck::fail(limbeck::ErrorKind::usage, "unclosed brace in template '{}'", text);
}

std::vector<std::string_view> alternatives(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == '|' && depth == 0)) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    } else {
      depth += (text[i] == '{') - (text[i] == '}');
    }
  }
  return parts;
}

}  // namespace

std::string expand(std::string_view text, const Values& values, limbeck::Random& random) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '{') {
      out += text[i++];
      continue;
    }
    const std::size_t end = matching_brace(text, i);
    const std::string_view inside = text.substr(i + 1, end - i - 2);
    const auto parts = alternatives(inside);
    if (parts.size() > 1) {
      out += expand(parts[random.below(parts.size())], values, random);
    } else if (const auto value = values.find(inside); value != values.end()) {
      out += value->second;
    } else {
      out += expand(word(inside, random), values, random);
    }
    i = end;
  }
  return out;
}

const std::string& word(std::string_view list, limbeck::Random& random) {
  const auto found = lists().find(list);
  if (found == lists().end()) limbeck::fail(limbeck::ErrorKind::usage, "no word list '{}'", list);
  return found->second[random.below(found->second.size())];
}

std::string order_number(limbeck::Random& random) {
  return fmt::format("NW-{}", number(10000, 99999, random));
}
std::string date(limbeck::Random& random) {
  return fmt::format("{} {}", number(1, 28, random), word("month", random));
}
std::string amount(limbeck::Random& random) {
  return fmt::format("{}.{}0", number(3, 180, random), number(0, 9, random));
}
int number(int low, int high, limbeck::Random& random) {
  return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
}
bool chance(double probability, limbeck::Random& random) { return random.uniform() < probability; }

std::string hurried(std::string text, limbeck::Random& random) {
  if (chance(0.3, random)) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const int slips = chance(0.4, random) ? number(1, 2, random) : 0;
  for (int i = 0; i < slips; ++i) {
    const std::size_t at = random.below(text.size());
    if (!std::islower(static_cast<unsigned char>(text[at]))) continue;
    if (chance(0.5, random)) {
      text.erase(at, 1);
    } else {
      text.insert(at, 1, text[at]);
    }
  }
  if (chance(0.25, random) && text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace helpdesk

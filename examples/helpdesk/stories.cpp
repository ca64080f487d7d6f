// Plain text: short reports of a day at the shop, with people and things that stay the same through
// a paragraph.
#include "examples/helpdesk/phrases.h"
#include "examples/helpdesk/tasks.h"

namespace helpdesk {

std::string story(limbeck::Random& random) {
  const Values values = {{"a", word("person", random)},      {"b", word("person", random)},
                         {"thing", word("product", random)}, {"other", word("product", random)},
                         {"city", word("city", random)},     {"day", word("weekday", random)},
                         {"color", word("color", random)},   {"material", word("material", random)},
                         {"order", order_number(random)},    {"amount", amount(random)},
                         {"street", word("street", random)}};
  static const std::vector<const char*> kBeginnings = {
      "On {day} {a} came to the shop in {city} with a {color} {thing}.",
      "{a} from {city} wrote to the help desk on {day}.",
      "It was a {quiet|busy} {day} at the shop on {street}.",
      "{b} opened the parcels of {day} in the {city} warehouse."};
  static const std::vector<const char*> kMiddles = {
      "{a} had {bought|ordered} the {thing} for {amount} euros.",
      "The {thing} was made of {material}, and {a} liked it.",
      "{b} looked at order {order} and {nodded|shook the head|made a note}.",
      "\"The {thing} is {too small|broken|just right},\" said {a}.",
      "\"I will {see what I can do|call the warehouse|find another one},\" answered {b}.",
      "{b} found {a second|a better|another} {thing} on the shelf.",
      "They talked about the {other} too, which {a} had seen on {street}.",
      "{a} paid {amount} euros and asked for a receipt.",
      "The {other} was sold out, so {b} offered a {color} one.",
      "{b} wrote the number {order} on the box.",
      "Because it was {late|raining|cold}, {a} stayed {a while|for tea}.",
      "The phone rang, and {b} helped {a customer from {city}|a man with a {other}|two students}."};
  static const std::vector<const char*> kEnds = {"In the end {a} went home with the {thing}.",
                                                 "{b} sent the {thing} to {street} the same {day}.",
                                                 "{a} thanked {b} and left.",
                                                 "After that the shop {closed|was quiet again}.",
                                                 "The {thing} is still on the shelf in {city}."};
  std::string text = kBeginnings[random.below(kBeginnings.size())];
  std::vector<std::size_t> order(kMiddles.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  limbeck::shuffle(order, random);
  order.resize(static_cast<std::size_t>(number(3, 7, random)));
  for (const std::size_t i : order) text += std::string(" ") + kMiddles[i];
  text += std::string(" ") + kEnds[random.below(kEnds.size())];
  return expand(text, values, random);
}

}  // namespace helpdesk

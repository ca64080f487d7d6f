// Question answering: the answer is a span of a short policy text.
#include <fmt/core.h>

#include "examples/helpdesk/phrases.h"
#include "examples/helpdesk/tasks.h"

namespace helpdesk {
namespace {

struct Fact {
  const char* sentence;  // with {n}, {city}, {weekday}, {price}
  std::vector<const char*> questions;
  const char* answer;
};

const std::vector<Fact>& facts() {
  static const std::vector<Fact> facts = {
      {"Returns are accepted within {n} days.",
       {"How long can I return something?", "How many days do I have for a return?"},
       "{n} days"},
      {"Shipping to {city} takes {m} days.",
       {"How long does shipping to {city} take?", "When does a parcel reach {city}?"},
       "{m} days"},
      {"Orders over {price} euros ship free.",
       {"From which price is shipping free?", "When do I pay no shipping?"},
       "over {price} euros"},
      {"The support desk is open until {h} on {weekday}.",
       {"Until when is support open on {weekday}?", "When does the desk close on {weekday}?"},
       "{h}"},
      {"The warranty on a {product1} is {y} years.",
       {"How long is the warranty on a {product1}?", "For how many years is a {product1} covered?"},
       "{y} years"},
      {"Gift cards are valid for {k} months.",
       {"How long is a gift card valid?", "When does a gift card expire?"},
       "{k} months"},
      {"Refunds are paid by {method}.",
       {"How are refunds paid?", "How do I get my money back?"},
       "{method}"},
      {"The shop in {city2} sells the {product2}.",
       {"Where can I buy the {product2}?", "Which shop sells the {product2}?"},
       "{city2}"},
  };
  return facts;
}

limbeck::Json example(limbeck::Random& random) {
  const Values values = {
      {"n", std::to_string(number(7, 90, random))},
      {"m", std::to_string(number(2, 14, random))},
      {"price", std::to_string(number(20, 150, random))},
      {"h", fmt::format("{}:{}0", number(14, 21, random), number(0, 5, random))},
      {"y", std::to_string(number(2, 9, random))},
      {"k", std::to_string(number(3, 36, random))},
      {"method", expand("{bank transfer|card|voucher|cheque|gift card}", {}, random)},
      {"city", word("city", random)},
      {"city2", word("city", random)},
      {"weekday", word("weekday", random)},
      {"product1", word("product", random)},
      {"product2", word("product", random)}};
  std::vector<std::size_t> order(facts().size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  limbeck::shuffle(order, random);
  order.resize(static_cast<std::size_t>(number(3, 5, random)));

  std::string context;
  for (const std::size_t i : order) {
    context += (context.empty() ? "" : " ") + expand(facts()[i].sentence, values, random);
  }
  const Fact& asked = facts()[order[random.below(order.size())]];
  return {{"input",
           {{"context", context},
            {"question",
             expand(asked.questions[random.below(asked.questions.size())], values, random)}}},
          {"output", expand(asked.answer, values, random)}};
}

}  // namespace

TaskData answers() {
  return {"answers",
          {{"name", "answers"},
           {"kind", "qa"},
           {"description", "Questions about the shop's rules."},
           {"instruction", "Answer from the text."}},
          example};
}

}  // namespace helpdesk

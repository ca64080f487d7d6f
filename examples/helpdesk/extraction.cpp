// Extraction: what a message says about order, product, date and amount, as a JSON record.
#include "examples/helpdesk/phrases.h"
#include "examples/helpdesk/tasks.h"

namespace helpdesk {
namespace {

limbeck::Json example(limbeck::Random& random) {
  const Values values = {{"order", order_number(random)},
                         {"thing", word("product", random)},
                         {"date", date(random)},
                         {"amount", amount(random)}};
  struct Part {
    const char* field;
    const char* value;
    std::vector<const char*> phrases;
  };
  static const std::vector<Part> kParts = {
      {"order",
       "order",
       {"The order number is {order}.", "It is about order {order}.", "My reference: {order}.",
        "({order})"}},
      {"date",
       "date",
       {"I bought it on {date}.", "That was on {date}.", "It arrived on {date}.",
        "Date of purchase: {date}."}},
      {"amount",
       "amount",
       {"I paid {amount} euros.", "The price was {amount} euros.", "It cost me {amount} euros.",
        "{amount} euros are gone."}},
  };
  static const std::vector<const char*> kSubjects = {
      "I have a question about the {thing}.", "The {thing} does not do what I hoped.",
      "My {thing} {broke|is late|is lost}.", "Please look at my {thing}.",
      "I would like to {return|exchange} the {thing}."};

  limbeck::Json record = {{"product", values.find("thing")->second}};
  std::string text = chance(0.5, random) ? "{opener} " : "";
  text += kSubjects[random.below(kSubjects.size())];
  for (const Part& part : kParts) {
    if (!chance(0.65, random)) continue;
    record[part.field] = values.find(part.value)->second;
    text += std::string(" ") + part.phrases[random.below(part.phrases.size())];
  }
  if (chance(0.3, random)) text += " {aside}";
  if (chance(0.4, random)) text += " {closer}";
  return {{"input", expand(text, values, random)}, {"output", record}};
}

limbeck::Json text_field(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

}  // namespace

TaskData extraction() {
  return {"extraction",
          {{"name", "extraction"},
           {"kind", "extraction"},
           {"description", "The facts a customer's message names."},
           {"instruction", "Extract the record."},
           {"schema",
            {{"type", "object"},
             {"properties",
              {{"product", text_field("what the message is about")},
               {"order", text_field("order number, NW- and five digits")},
               {"date", text_field("day and month")},
               {"amount", text_field("euros")}}},
             {"required", {"product"}},
             {"additionalProperties", false}}}},
          example};
}

}  // namespace helpdesk

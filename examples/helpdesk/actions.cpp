// Tool calling: five tools of a help desk; the arguments stand in the message.
#include "examples/helpdesk/phrases.h"
#include "examples/helpdesk/tasks.h"

namespace helpdesk {
namespace {

limbeck::Json tool(const char* name, const char* description, limbeck::Json properties,
                   limbeck::Json required) {
  return {{"type", "function"},
          {"function",
           {{"name", name},
            {"description", description},
            {"parameters",
             {{"type", "object"},
              {"properties", std::move(properties)},
              {"required", std::move(required)}}}}}};
}

limbeck::Json text() { return {{"type", "string"}}; }

limbeck::Json call(const char* name, limbeck::Json arguments) {
  return {{"name", name}, {"arguments", std::move(arguments)}};
}

limbeck::Json example(limbeck::Random& random) {
  const Values values = {{"order", order_number(random)},
                         {"thing", word("product", random)},
                         {"amount", amount(random)},
                         {"day", word("weekday", random)},
                         {"street", word("street", random)},
                         {"city", word("city", random)},
                         {"h", std::to_string(number(8, 17, random))},
                         {"max", std::to_string(number(10, 120, random))}};
  const auto value = [&](const char* key) { return values.find(key)->second; };
  std::string request;
  limbeck::Json output;
  switch (random.below(5)) {
    case 0:
      request = "{Where is order {order}?|Track {order} for me.|What is the state of {order}?}";
      output = call("track_order", {{"order", value("order")}});
      break;
    case 1: {
      const bool late = chance(0.5, random);
      request =
          late ? "{Cancel {order}, it is too late.|Stop {order}, I waited too long.}"
               : "{Cancel {order}, I ordered by mistake.|Stop {order}, that was a slip of mine.}";
      output =
          call("cancel_order", {{"order", value("order")}, {"reason", late ? "late" : "mistake"}});
      break;
    }
    case 2:
      request =
          "{Refund {amount} euros for {order}.|Pay back {amount} euros on order {order}.|For "
          "{order} I should get {amount} euros back.}";
      output = call("refund",
                    {{"order", value("order")}, {"amount", limbeck::Json::parse(value("amount"))}});
      break;
    case 3:
      request =
          "{Send {order} to {street} in {city}.|Change the address of {order} to {street}, "
          "{city}.}";
      output =
          call("change_address",
               {{"order", value("order")}, {"street", value("street")}, {"city", value("city")}});
      break;
    default: {
      const bool priced = chance(0.5, random);
      request =
          priced
              ? "{Find a {thing} under {max} euros.|Do you have a {thing} for at most {max} euros?}"
              : "{Find a {thing}.|Do you sell a {thing}?|Show me every {thing}.}";
      limbeck::Json arguments = {{"query", value("thing")}};
      if (priced) arguments["max_price"] = std::stoi(value("max"));
      output = call("search_products", std::move(arguments));
    }
  }
  std::string message = chance(0.4, random) ? "{opener} " : "";
  message += request;
  if (chance(0.3, random)) message += " {aside}";
  if (chance(0.3, random)) message += " {closer}";
  return {{"input", expand(message, values, random)}, {"output", output}};
}

}  // namespace

TaskData actions() {
  const limbeck::Json reason = {{"type", "string"}, {"enum", {"late", "mistake"}}};
  return {"actions",
          {{"name", "actions"},
           {"kind", "tool_calling"},
           {"description", "The call that does what a message asks."},
           {"instruction", "Call the tool that does it."},
           {"tools",
            {tool("track_order", "State of an order", {{"order", text()}}, {"order"}),
             tool("cancel_order", "Cancel an order", {{"order", text()}, {"reason", reason}},
                  {"order", "reason"}),
             tool("refund", "Pay money back", {{"order", text()}, {"amount", {{"type", "number"}}}},
                  {"order", "amount"}),
             tool("change_address", "Send an order elsewhere",
                  {{"order", text()}, {"street", text()}, {"city", text()}},
                  {"order", "street", "city"}),
             tool("search_products", "Look for products",
                  {{"query", text()}, {"max_price", {{"type", "integer"}}}}, {"query"})}}},
          example};
}

}  // namespace helpdesk

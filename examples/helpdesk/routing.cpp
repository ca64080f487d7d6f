// Classification: eighteen queues; messages name other subjects in passing.
#include <array>

#include "examples/helpdesk/phrases.h"
#include "examples/helpdesk/tasks.h"

namespace helpdesk {
namespace {

struct Queue {
  const char* label;
  std::vector<const char*> requests;
};

const std::vector<Queue>& queues() {
  static const std::vector<Queue> queues = {
      {"delivery_status",
       {"{Where|Can you tell me where} is my {product}{?| right now?}",
        "When will order {order} {arrive|get here|be delivered}?",
        "I {would like|want} to know {how far along|where} my parcel is.",
        "Is there {any news|a tracking link} for {order}?",
        "Has my {product} {shipped|left the warehouse} yet?"}},
      {"late_delivery",
       {"My {product} was {due|promised} on {date} and {still is not here|has not come}.",
        "Order {order} is {three days|a week|two weeks} late.",
        "I have been waiting {far too long|for weeks} for my {product}.",
        "The {product} should have {arrived|been here} by {weekday}, and it has not.",
        "Why is {order} {overdue|so late}?"}},
      {"cancel_order",
       {"Please {cancel|stop} order {order}{.| before it ships.}",
        "I {no longer need|changed my mind about} the {product}, please cancel it.",
        "Can I {cancel|call off} what I ordered {yesterday|this morning}?",
        "I ordered the {product} twice by mistake, cancel one.",
        "Do not send {order}, I {do not want it any more|found it elsewhere}."}},
      {"return_item",
       {"I {want|would like} to {return|send back} the {product}.",
        "How do I {return|send back} a {product} that {does not fit|I do not like}?",
        "The {product} is {too small|too big|not for me}, where can I send it?",
        "Do you {pay for|cover} the return of {order}?",
        "I need a return label for the {product}."}},
      {"refund_status",
       {"{Where|What has become of} my refund for {order}?",
        "I sent the {product} back on {date}, when do I get my money?",
        "My refund of {amount} euros {has not come|is not on my account}.",
        "How long does a refund {take|need}?",
        "You {confirmed|promised} a refund {two weeks|a month} ago, I see nothing."}},
      {"damaged_item",
       {"The {product} {arrived|came} {broken|cracked|with a big scratch}.",
        "My new {product} has a {dent|tear|crack} {on arrival|out of the box}.",
        "The box was {crushed|wet} and the {product} inside is {ruined|damaged}.",
        "One part of the {product} in {order} is {snapped|bent}.",
        "I unpacked the {product} and it {fell apart|was in pieces}."}},
      {"wrong_item",
       {"I ordered a {product} and {got|received} a {product} instead.",
        "You sent me the wrong {colour|size|model}, I asked for {color}.",
        "This is not {what I ordered|the {product} I bought}.",
        "In the parcel of {order} was {somebody else's|the wrong} {product}.",
        "There is a mix-up, the {product} is not the one from my order."}},
      {"change_address",
       {"Please send {order} to {street} in {city} instead.",
        "I {moved|am moving} to {city}, {can you update|please change} the delivery address.",
        "The address on {order} is {wrong|old}.",
        "Can the {product} go to my {office|neighbour} at {street}?",
        "I typed the wrong {street name|house number} when ordering."}},
      {"payment_failed",
       {"My {card|payment} was {declined|refused} when I bought the {product}.",
        "The checkout {says payment failed|does not take my card}.",
        "I cannot pay for {order}, {it shows an error|the page hangs}.",
        "Why was my {card|bank transfer} {rejected|not accepted}?",
        "Paying {keeps failing|does not go through}, though I have money."}},
      {"double_charge",
       {"You {charged|billed} me twice for {order}.",
        "I see {amount} euros {two times|twice} on my {statement|card}.",
        "The {product} was {debited|taken} from my account double.",
        "There are two {charges|payments} for one {product}.",
        "I paid once and you took the money {twice|a second time}."}},
      {"invoice_request",
       {"{I need|Please send} {an invoice|a receipt} for {order}.",
        "Where can I {find|download} the {bill|invoice} of my {product}?",
        "My {company|accountant} needs the {invoice|receipt} from {date}.",
        "Can you put {my company name|a tax number} on the invoice?",
        "The receipt for the {product} was not in the box."}},
      {"password_reset",
       {"I {forgot|lost} my password.", "How do I {reset|change} my password?",
        "The {reset link|password mail} {does not work|never comes}.",
        "I cannot remember {my login|the password} for the shop.",
        "Send me a new password link {please|again}."}},
      {"account_locked",
       {"My account is {locked|blocked}.",
        "It says {too many attempts|account suspended} when I log in.",
        "I am locked out {of my account|since {weekday}}.",
        "Why did you {block|suspend} my account?",
        "Please {unlock|unblock} my profile, I did nothing wrong."}},
      {"close_account",
       {"Please {delete|close} my account.",
        "I {want|would like} {all my data removed|my profile deleted}.",
        "How can I {leave|unsubscribe from} the shop for good?",
        "I do not want to be a customer any more, remove me.",
        "Erase my account {and my data|today}."}},
      {"discount_code",
       {"My {discount|voucher} code {does not work|is not accepted}.",
        "The shop says my {coupon|voucher} {has expired|is invalid}.",
        "Where do I {enter|type} the {discount|gift} code?",
        "I forgot to use my {voucher|coupon} on {order}.",
        "Do you have a discount for {students|new customers}?"}},
      {"product_question",
       {"Is the {product} made of {material}?", "Does the {product} come in {color}?",
        "How {big|heavy} is the {product}?", "Can I {wash|use outdoors} the {product}?",
        "Will the {product} be {back in stock|available} in {month}?"}},
      {"warranty_claim",
       {"My {product} {stopped working|broke} after {two months|half a year}, is it under "
        "warranty?",
        "How long is the {warranty|guarantee} on a {product}?",
        "I want to {use|claim} the warranty for my {product}.",
        "The {product} I bought in {month} {failed|died}, what about the guarantee?",
        "Do you repair a {product} that is a year old?"}},
      {"speak_to_human",
       {"I want to {talk|speak} to a {person|real human}.",
        "{Connect|Transfer} me to an {agent|employee}.",
        "Is there {a number|somebody} I can {call|talk to}?",
        "No more {bots|automatic mails}, give me a person.",
        "Please {call|phone} me on {weekday}."}},
  };
  return queues;
}

limbeck::Json example(limbeck::Random& random) {
  const Queue& queue = queues()[random.below(queues().size())];
  const Values values = {{"order", order_number(random)},
                         {"date", date(random)},
                         {"amount", amount(random)},
                         {"?", "?"}};
  std::string text;
  if (chance(0.5, random)) text += "{opener} ";
  if (chance(0.3, random)) text += "{aside} ";
  text += queue.requests[random.below(queue.requests.size())];
  if (chance(0.3, random)) text += " {aside}";
  if (chance(0.5, random)) text += " {closer}";
  return {{"input", hurried(expand(text, values, random), random)}, {"output", queue.label}};
}

}  // namespace

TaskData routing() {
  limbeck::Json labels = limbeck::Json::array();
  for (const Queue& queue : queues()) labels.push_back(queue.label);
  return {"routing",
          {{"name", "routing"},
           {"kind", "classification"},
           {"description", "The queue a customer's message belongs to."},
           {"instruction", "Route the message to a queue."},
           {"labels", labels}},
          example};
}

}  // namespace helpdesk

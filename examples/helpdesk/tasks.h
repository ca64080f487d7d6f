// The five kinds of data of the help desk of Norwood, an invented shop.
#pragma once

#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/random.h"

namespace helpdesk {

struct TaskData {
  std::string folder;                                 // name of its folder
  limbeck::Json definition;                           // task.yaml
  limbeck::Json (*example)(limbeck::Random& random);  // {"input": ..., "output": ...}
};

TaskData routing();     // classification: which queue a message belongs to
TaskData extraction();  // order, product, date and amount named in a message, as a record
TaskData answers();     // questions about a policy text
TaskData actions();     // the tool call that carries out a request

// One paragraph of plain text: a day at the shop.
std::string story(limbeck::Random& random);

}  // namespace helpdesk

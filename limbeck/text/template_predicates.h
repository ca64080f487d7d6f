// The tests of chat templates: value is name(arguments).
#pragma once

#include <string_view>

#include "limbeck/text/template_evaluator.h"

namespace limbeck::jinja {

struct Predicate {
  std::string_view name;
  bool (*holds)(Evaluator&, const Value& value, const Call& call);
};

const Predicate* find_predicate(std::string_view name);  // null if there is none

}  // namespace limbeck::jinja

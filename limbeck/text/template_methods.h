// The methods of strings that chat templates call; see find_method for those of all values.
#pragma once

#include <string_view>

#include "limbeck/text/template_evaluator.h"

namespace limbeck::jinja {

Function find_string_method(std::string_view name);  // null if there is none

}  // namespace limbeck::jinja

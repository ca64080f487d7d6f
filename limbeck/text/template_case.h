// Upper, lower and title case of whole strings, as Python's str does it.
#pragma once

#include "limbeck/text/template_text.h"

namespace limbeck::jinja {

enum class Case { upper, lower, title, capitalize, swap };

// `title` by Python's str.title(): a letter after anything but a letter. Keeps provenance.
TextPtr change_case(Budget& budget, const Text& text, Case to);

}  // namespace limbeck::jinja

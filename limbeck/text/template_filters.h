// The filters of chat templates: value | name(arguments).
#pragma once

#include <span>
#include <string_view>

#include "limbeck/text/template_evaluator.h"

namespace limbeck::jinja {

struct Filter {
  std::string_view name;
  Function apply;
};

const Filter* find_filter(std::string_view name);  // null if there is none

// The tables that find_filter searches.
std::span<const Filter> string_filters();
std::span<const Filter> sequence_filters();
std::span<const Filter> selection_filters();

// For the implementations: arguments with defaults. Null stands for an argument not given.
bool flag(const Value* value, bool fallback);
std::int64_t integer(Heap& heap, const Value* value, std::int64_t fallback);
// A result that no text may be written for: numbers carry whether their source was trusted.
bool is_trusted(const Value& value);

}  // namespace limbeck::jinja

// The arithmetic of the template interpreter, after Python's.
#pragma once

#include <string_view>

#include "limbeck/text/template_ast.h"

namespace limbeck::jinja {

// Throws Error{format} where Python raises, Error{unsupported} beyond 64-bit integers.
Value binary(Heap& heap, Operator op, const Value& left, const Value& right);
Value negate(Heap& heap, const Value& value);
bool holds(Heap& heap, Operator op, const Value& left, const Value& right);  // == < in ...
// value[start:stop:step] on strings and sequences; null parts are left out.
Value slice(Heap& heap, const Value& value, const Value* start, const Value* stop,
            const Value* step);
// "%s and %d" % values.
Value format_percent(Heap& heap, const Text& pattern, const std::vector<Value>& values,
                     const Dict* named);
// Throws Error{format} saying why `value` is undefined, if it is.
void require_defined(Heap& heap, const Value& value);

}  // namespace limbeck::jinja

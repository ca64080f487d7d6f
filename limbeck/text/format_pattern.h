// The formats of JSON Schema that are patterns.
#pragma once

#include <string_view>

namespace limbeck {

// The pattern of a JSON Schema format (date, time, date-time, email, uuid, ipv4), anchored; empty
// for formats that are only annotations here.
std::string_view format_pattern(std::string_view format) noexcept;

}  // namespace limbeck

// Base64 (RFC 4648), as tokenizer.json stores binary tables.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace limbeck {

std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);  // nullopt if it is not base64

}  // namespace limbeck

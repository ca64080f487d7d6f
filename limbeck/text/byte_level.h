// The byte alphabet of GPT-2: every byte as one printable character, so that a vocabulary of text
// can hold any bytes. Source: encoder.py of openai/gpt-2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace limbeck::byte_level {

std::uint32_t character(std::uint8_t byte) noexcept;
std::optional<std::uint8_t> byte(std::uint32_t character) noexcept;

std::string to_characters(std::string_view bytes);
// nullopt if some character stands for no byte.
std::optional<std::string> to_bytes(std::string_view characters);

}  // namespace limbeck::byte_level

// Questions about code points that tokenizers ask, answered as Rust's standard library does, since
// tokenizer.json files are written for it. Categories by utf8proc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace limbeck::unicode {

bool is_whitespace(std::uint32_t c) noexcept;       // the property White_Space
bool is_numeric(std::uint32_t c) noexcept;          // Nd, Nl, No
bool is_punctuation(std::uint32_t c) noexcept;      // ASCII punctuation and symbols, and P*
bool is_mark(std::uint32_t c) noexcept;             // Mn, Mc, Me
bool is_nonspacing_mark(std::uint32_t c) noexcept;  // Mn
bool is_other(std::uint32_t c) noexcept;            // Cc, Cf, Cs, Co
bool is_word(std::uint32_t c) noexcept;             // \w of UTS 18

void append_lowercase(std::string& out, std::uint32_t c);

enum class Form { nfc, nfd, nfkc, nfkd };
std::string normalize(std::string_view text, Form form);  // `text` must be valid UTF-8

// The length in bytes of the extended grapheme cluster at the start of `text` (not empty, valid).
std::size_t grapheme_bytes(std::string_view text) noexcept;

}  // namespace limbeck::unicode

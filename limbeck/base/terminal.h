// What a terminal may be shown, and what it can show.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace limbeck {

// `text` with C0/C1 controls (but not '\n' and '\t' when `keep_lines`) and invalid UTF-8 escaped as
// \xNN, so that a foreign string cannot drive the terminal.
std::string safe_tty(std::string_view text, bool keep_lines = false);

bool is_terminal(int file) noexcept;
bool use_color(int file);        // terminal, and NO_COLOR / CLICOLOR_FORCE respected
int terminal_columns(int file);  // COLUMNS, the window's width, or 100

// Displayed width in columns (wide East Asian characters count 2, combining ones 0).
int display_width(std::string_view text);

// A plain table: columns padded to their widest cell, the first left-aligned, the rest right.
std::string text_table(const std::vector<std::vector<std::string>>& rows);

// "1.23 MB", "456 kB" (powers of 1000), "1h 02m", "8m 32s", "3.2 s", "1,234".
std::string human_bytes(double bytes);
std::string human_seconds(double seconds);
std::string human_count(double count);
// "300MB", "2GiB", "1500000" -> bytes. Throws Error{usage} naming `what`.
std::uint64_t parse_bytes(std::string_view text, std::string_view what);

}  // namespace limbeck

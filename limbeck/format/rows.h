// Text files of records: JSON lines and delimited text.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"

namespace limbeck {

struct Row {
  Json value;            // an object
  std::size_t line = 0;  // 1-based line where it starts; 0 in a .json file
};

// One JSON object a line; empty lines are passed over, a UTF-8 byte order mark and CRLF accepted.
// Throws Error{usage} if there is no such file; Error{format} "file:line: ..." on a line over 16
// MiB, bad JSON, a value that is no object.
std::vector<Row> read_jsonl(const std::filesystem::path& path);

// RFC 4180 with a header line; `separator` ',' or '\t'. Quoted fields may hold separators, quotes
// (doubled) and newlines. Each row is an object of strings in header order. Throws Error{format}
// "file:line: ..." on a row with another number of fields, an unclosed quote, a duplicate header,
// over 4,096 columns, text that is not UTF-8.
std::vector<Row> read_delimited(const std::filesystem::path& path, char separator);

// The same from text; `origin` names it in errors.
std::vector<Row> parse_jsonl(std::string_view text, std::string_view origin);
std::vector<Row> parse_delimited(std::string_view text, char separator, std::string_view origin);
// One JSON array of objects, on one line or many.
std::vector<Row> parse_json_rows(std::string_view text, std::string_view origin);

// By extension: .jsonl/.ndjson, .csv, .tsv, .json (an array of objects). Throws Error{usage} on
// others.
std::vector<Row> read_rows(const std::filesystem::path& path);

// Atomic. One compact object a line.
void write_jsonl(const std::filesystem::path& path, const std::vector<Json>& rows);
// A cell of CSV, quoted where needed. One that starts with = + - @ is prefixed with ', so a
// spreadsheet does not run it.
std::string csv_cell(std::string_view text);

}  // namespace limbeck

// Reads a configuration object field by field; what was never asked for is an unknown key.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/json.h"

namespace limbeck {

class Fields {
 public:
  // `json` must outlive this; `where` names it in errors ("recipe.yaml: distill"). `kind` is the
  // kind of every error: usage for what a user wrote, format for model files.
  // Throws Error if `json` is not an object.
  Fields(const Json& json, std::string where, ErrorKind kind = ErrorKind::usage);

  bool has(std::string_view key) const;  // present and not null

  // The value, or `fallback` when absent or null. Throw Error naming the field on a wrong type or
  // a number outside [low, high].
  std::string text(std::string_view key, std::string fallback = {});
  bool flag(std::string_view key, bool fallback = false);
  std::int64_t integer(std::string_view key, std::int64_t fallback,
                       std::int64_t low = std::numeric_limits<std::int64_t>::min(),
                       std::int64_t high = std::numeric_limits<std::int64_t>::max());
  double number(std::string_view key, double fallback,
                double low = -std::numeric_limits<double>::infinity(),
                double high = std::numeric_limits<double>::infinity());
  std::vector<std::string> texts(std::string_view key);  // a list of strings, or one string
  const Json* find(std::string_view key);                // any type; nullptr when absent or null

  // As above, but absence is an error.
  std::string required_text(std::string_view key);
  std::int64_t required_integer(std::string_view key,
                                std::int64_t low = std::numeric_limits<std::int64_t>::min(),
                                std::int64_t high = std::numeric_limits<std::int64_t>::max());

  // Throws Error for the first key never asked for, with the nearest known one.
  void refuse_unknown() const;

  // Throws Error naming the field: "where: 'key' what".
  [[noreturn]] void refuse(std::string_view key, std::string_view what) const;

  const std::string& where() const noexcept { return where_; }

 private:
  const Json& json_;
  std::string where_;
  ErrorKind kind_;
  std::vector<std::string> known_;
};

// The candidate nearest to `word` by edit distance, if near enough to be a slip; empty otherwise.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace limbeck

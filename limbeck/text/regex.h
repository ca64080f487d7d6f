// Regular expressions of tokenizers: written for Oniguruma, run by PCRE2 (JIT where it is there),
// in UTF-8, under limits. Never std::regex.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace limbeck {

class Regex {
 public:
  // A pattern in Oniguruma's syntax (what the `tokenizers` package uses); at most 8 KiB.
  // Throws Error{format} naming `origin` on bad syntax, Error{unsupported} on a construct that
  // PCRE2 cannot express.
  static Regex compile(std::string_view pattern, std::string_view origin);

  // Calls back with [begin, end) of each match, left to right, as Oniguruma's iterator finds them:
  // an empty match right after a match is passed over. `text` must be valid UTF-8.
  // Throws Error{format} when a match needs more steps, or the text more time, than the limits
  // allow.
  void for_each_match(std::string_view text,
                      const std::function<void(std::size_t, std::size_t)>& found) const;

  const std::string& pattern() const noexcept;  // as given

 private:
  struct Code;
  class Search;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

// The same pattern in PCRE2's syntax, for the options UTF, UCP and MULTILINE. Throws as compile.
std::string pcre2_from_oniguruma(std::string_view pattern, std::string_view origin);

}  // namespace limbeck

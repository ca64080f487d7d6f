// The first line is a pattern in Oniguruma's syntax, the rest a text.
#include "fuzz/target.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/regex.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const std::string_view all = fuzz::as_text(data, size);
    const std::size_t end = std::min(all.find('\n'), all.size());
    const std::string text = replace_invalid_utf8(all.substr(std::min(end + 1, all.size())));
    std::size_t last = 0;
    Regex::compile(all.substr(0, end), "fuzz")
        .for_each_match(text, [&](std::size_t begin, std::size_t match_end) {
          fuzz::require(begin >= last && match_end >= begin, "matches move forward");
          last = match_end;
        });
  });
}

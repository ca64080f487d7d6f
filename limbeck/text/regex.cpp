#include "limbeck/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/utf8.h"

namespace limbeck {
namespace {

constexpr std::uint32_t kHeapLimitKib = 64u << 10;

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

struct CodeFree {
  void operator()(pcre2_code* code) const noexcept { pcre2_code_free(code); }
};
struct ContextFree {
  void operator()(pcre2_match_context* context) const noexcept {
    pcre2_match_context_free(context);
  }
};
struct DataFree {
  void operator()(pcre2_match_data* data) const noexcept { pcre2_match_data_free(data); }
};

}  // namespace

struct Regex::Code {
  std::string pattern, origin;
  std::unique_ptr<pcre2_code, CodeFree> code;
  std::unique_ptr<pcre2_match_context, ContextFree> context;
};

Regex Regex::compile(std::string_view pattern, std::string_view origin) {
  if (pattern.size() > limits().regex_source_bytes) {
    fail(ErrorKind::format, "{}: a pattern of {} bytes; the limit is {}", origin, pattern.size(),
         limits().regex_source_bytes);
  }
  const std::string translated = pcre2_from_oniguruma(pattern, origin);
  auto made = std::make_shared<Code>();
  made->pattern = pattern;
  made->origin = origin;
  int error = 0;
  PCRE2_SIZE offset = 0;
  made->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset,
                                 nullptr));
  if (!made->code) {
    fail(ErrorKind::format, "{}: pattern '{}': {} (at {} of '{}')", origin, pattern,
         message_of(error), offset, translated);
  }
  pcre2_jit_compile(made->code.get(), PCRE2_JIT_COMPLETE);  // without JIT the interpreter matches
  made->context.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(made->context.get(), static_cast<std::uint32_t>(limits().regex_matches));
  pcre2_set_depth_limit(made->context.get(), static_cast<std::uint32_t>(limits().regex_depth));
  pcre2_set_heap_limit(made->context.get(), kHeapLimitKib);
  return Regex(std::move(made));
}

void Regex::for_each_match(std::string_view text,
                           const std::function<void(std::size_t, std::size_t)>& found) const {
  const std::unique_ptr<pcre2_match_data, DataFree> data(pcre2_match_data_create(1, nullptr));
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  std::size_t from = 0, last_end = PCRE2_UNSET;
  while (from <= text.size()) {
    const auto match = [&](std::uint32_t options) {
      return pcre2_match(code_->code.get(), subject, text.size(), from,
                         PCRE2_NO_UTF_CHECK | options, data.get(), code_->context.get());
    };
    int result = match(0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
    if (result == PCRE2_ERROR_NOMATCH) return;
    if (result < 0) {
      fail(ErrorKind::format, "{}: pattern '{}' on a text of {} bytes: {}", code_->origin,
           code_->pattern, text.size(), message_of(result));
    }
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
    const std::size_t begin = span[0], end = span[1];
    if (begin > end) {
      fail(ErrorKind::unsupported, "{}: pattern '{}' moves its match's start past its end",
           code_->origin, code_->pattern);
    }
    if (begin == end && begin == last_end) {
      if (from >= text.size()) return;
      from += code_point_at(text, from).bytes;
      continue;
    }
    found(begin, end);
    from = last_end = end;
  }
}

const std::string& Regex::pattern() const noexcept { return code_->pattern; }

}  // namespace limbeck

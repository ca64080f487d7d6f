#include "limbeck/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/cpu_time.h"

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
  std::string pattern, origin, translated;
  std::unique_ptr<pcre2_code, CodeFree> code;
  std::unique_ptr<pcre2_match_context, ContextFree> context;

  // The same, calling back as it goes; made when first needed.
  const pcre2_code* watched() const {
    std::call_once(once,
                   [this] { watched_code = compile(PCRE2_AUTO_CALLOUT, PCRE2_JIT_COMPLETE); });
    return watched_code.get();
  }

  std::unique_ptr<pcre2_code, CodeFree> compile(std::uint32_t options, std::uint32_t jit) const {
    int error = 0;
    PCRE2_SIZE offset = 0;
    std::unique_ptr<pcre2_code, CodeFree> made(
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | options, &error, &offset, nullptr));
    if (!made) {
      fail(ErrorKind::format, "{}: pattern '{}': {} (at {} of '{}')", origin, pattern,
           message_of(error), offset, translated);
    }
    pcre2_jit_compile(made.get(), jit);  // without JIT the interpreter matches
    return made;
  }

 private:
  mutable std::once_flag once;
  mutable std::unique_ptr<pcre2_code, CodeFree> watched_code;
};

Regex Regex::compile(std::string_view pattern, std::string_view origin) {
  if (pattern.size() > limits().regex_source_bytes) {
    fail(ErrorKind::format, "{}: a pattern of {} bytes; the limit is {}", origin, pattern.size(),
         limits().regex_source_bytes);
  }
  auto made = std::make_shared<Code>();
  made->pattern = pattern;
  made->origin = origin;
  made->translated = pcre2_from_oniguruma(pattern, origin);
  made->code = made->compile(0, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
  made->context.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(made->context.get(), static_cast<std::uint32_t>(limits().regex_matches));
  pcre2_set_depth_limit(made->context.get(), static_cast<std::uint32_t>(limits().regex_depth));
  pcre2_set_heap_limit(made->context.get(), kHeapLimitKib);
  return Regex(std::move(made));
}

// Looks for one match after another. PCRE2's own limits count steps, but its compiled code takes a
// run of characters as one: `a*a*b` on n of them takes n^2 and stays below. So a match is looked
// for within some bytes first, as if more would come; one that reaches their end is looked for
// again in all of the text, with code that calls back, so that the time can be looked at.
class Regex::Search {
 public:
  Search(const Code& code, std::string_view text)
      : code_(code),
        text_(text),
        data_(pcre2_match_data_create(1, nullptr)),
        most_s_(static_cast<double>(limits().regex_milliseconds) / 1e3 +
                kSecondsPerByte * static_cast<double>(text.size())) {}

  void run(const std::function<void(std::size_t, std::size_t)>& found) {
    std::size_t from = 0, last_end = PCRE2_UNSET;
    while (from <= text_.size()) {
      look();
      if (!find(from)) return;
      const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data_.get());
      const std::size_t begin = span[0], end = span[1];
      if (begin > end) {
        fail(ErrorKind::unsupported, "{}: pattern '{}' moves its match's start past its end",
             code_.origin, code_.pattern);
      }
      if (begin == end && begin == last_end) {
        if (from >= text_.size()) return;
        from += code_point_at(text_, from).bytes;
        continue;
      }
      found(begin, end);
      from = last_end = end;
    }
  }

 private:
  static constexpr double kSecondsPerByte = 1e-6;  // tokenizers' patterns need 0.02e-6
  static constexpr std::size_t kNear = 1024, kStepsPerLook = 64;

  // The first match at or after `from`.
  bool find(std::size_t from) {
    while (true) {
      const std::size_t end = boundary(from + std::min(kNear, text_.size() - from));
      const bool whole = end == text_.size();
      const int result =
          match(code_.code.get(), code_.context.get(), from, end, whole ? 0 : PCRE2_PARTIAL_HARD);
      if (result == PCRE2_ERROR_PARTIAL) return find_far(from);
      // An empty match where the bytes end has not seen what comes there.
      if (result >= 0 && (whole || pcre2_get_ovector_pointer(data_.get())[0] < end)) return true;
      if (whole) return false;
      from = end;
      look();
    }
  }

  bool find_far(std::size_t from) {
    if (!watching_) {
      watching_.reset(pcre2_match_context_copy(code_.context.get()));
      const auto called = [](pcre2_callout_block*, void* search) {
        return static_cast<Search*>(search)->late() ? PCRE2_ERROR_CALLOUT : 0;
      };
      pcre2_set_callout(watching_.get(), called, this);
      pcre2_set_match_limit(watching_.get(), ~std::uint32_t{0});  // the time is the limit
    }
    return match(code_.watched(), watching_.get(), from, text_.size(), 0) >= 0;
  }

  // Where the character ends that `at` is in.
  std::size_t boundary(std::size_t at) const {
    while (at < text_.size() && (static_cast<unsigned char>(text_[at]) & 0xc0) == 0x80) ++at;
    return at;
  }

  int match(const pcre2_code* code, pcre2_match_context* context, std::size_t from, std::size_t end,
            std::uint32_t options) const {
    const auto attempt = [&](std::uint32_t how) {
      return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text_.data()), end, from,
                         PCRE2_NO_UTF_CHECK | options | how, data_.get(), context);
    };
    int result = attempt(0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = attempt(PCRE2_NO_JIT);
    if (result == PCRE2_ERROR_CALLOUT) refuse_late();
    if (result < 0 && result != PCRE2_ERROR_NOMATCH && result != PCRE2_ERROR_PARTIAL) {
      fail(ErrorKind::format, "{}: pattern '{}' on a text of {} bytes: {}", code_.origin,
           code_.pattern, text_.size(), message_of(result));
    }
    return result;
  }

  // Looks at the time now and then; for most words, which are short, never.
  bool late() {
    if (++steps_ % kStepsPerLook != 0) return false;
    const double now_s = thread_seconds();
    if (start_s_ < 0) start_s_ = now_s;
    return now_s - start_s_ > most_s_;
  }
  void look() {
    if (late()) refuse_late();
  }
  [[noreturn]] void refuse_late() const {
    fail_try(ErrorKind::format, raise_limit(&Limits::regex_milliseconds),
             "{}: pattern '{}' takes more than {:.1f} s on a text of {} bytes", code_.origin,
             code_.pattern, most_s_, text_.size());
  }

  const Code& code_;
  std::string_view text_;
  std::unique_ptr<pcre2_match_data, DataFree> data_;
  std::unique_ptr<pcre2_match_context, ContextFree> watching_;
  double most_s_, start_s_ = -1;  // since the first look
  std::size_t steps_ = 0;
};

void Regex::for_each_match(std::string_view text,
                           const std::function<void(std::size_t, std::size_t)>& found) const {
  Search(*code_, text).run(found);
}

const std::string& Regex::pattern() const noexcept { return code_->pattern; }

}  // namespace limbeck

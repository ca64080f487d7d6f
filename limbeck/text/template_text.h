// Strings of the template interpreter: UTF-8 bytes of which each knows whether the template wrote
// it (trusted) or it came in with the messages.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/text/template_budget.h"

namespace limbeck::jinja {

struct Run {
  std::size_t end;  // the run reaches from the previous run's end to here, in bytes
  bool trusted;
};

struct Text {
  std::string bytes;
  std::vector<Run> runs;  // cover all bytes; neighbours differ
  bool markup = false;    // "safe": concatenation escapes what is added, as markupsafe does
  bool ascii = true;
  Budget* budget = nullptr;  // charged until destruction; null for literals of the template
  std::size_t charged = 0;

  Text() = default;
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  ~Text() {
    if (budget) budget->release(charged);
  }
  bool trusted() const noexcept { return runs.empty() || (runs.size() == 1 && runs[0].trusted); }
  std::size_t length() const noexcept;  // in code points
};
using TextPtr = std::shared_ptr<const Text>;

TextPtr literal(std::string_view bytes);  // trusted, outside any budget

// Grows a string, charging the budget before it allocates.
class TextBuilder {
 public:
  explicit TextBuilder(Budget& budget) : budget_(budget) {}
  ~TextBuilder() { budget_.release(charged_); }
  TextBuilder(const TextBuilder&) = delete;
  TextBuilder& operator=(const TextBuilder&) = delete;

  void append(std::string_view bytes, bool trusted);
  void append(const Text& text) { append(text, 0, text.bytes.size()); }
  void append(const Text& text, std::size_t from, std::size_t to);  // bytes [from, to)
  void repeat(std::string_view bytes, std::size_t count, bool trusted);

  std::size_t size() const noexcept { return bytes_.size(); }
  const std::string& bytes() const noexcept { return bytes_; }
  const std::vector<Run>& runs() const noexcept { return runs_; }
  TextPtr take(bool markup = false);  // leaves this empty

 private:
  void reserve(std::size_t more);

  Budget& budget_;
  std::string bytes_;
  std::vector<Run> runs_;
  std::size_t charged_ = 0;
};

TextPtr make_text(Budget& budget, std::string_view bytes, bool trusted);
TextPtr slice_bytes(Budget& budget, const TextPtr& text, std::size_t from, std::size_t to);
// Python's s[start:stop:step] for indices already clamped by the caller, in code points.
TextPtr slice_points(Budget& budget, const TextPtr& text, std::int64_t start, std::int64_t stop,
                     std::int64_t step);
TextPtr concatenate(Budget& budget, const Text& left, const Text& right);
TextPtr escape_html(Budget& budget, const Text& text);  // markup; unchanged if it is markup

// Whitespace as Python's str.isspace and re's \s see it.
bool is_space(std::uint32_t code_point) noexcept;
// Byte range [from, to) of `text` without the characters of `set` (whitespace if null) at the ends.
struct Range {
  std::size_t from, to;
};
Range strip_range(std::string_view text, const std::string_view* set, bool left, bool right);

// The lines of `text` as Python's splitlines() cuts them.
struct Line {
  std::size_t start, end, next;  // [start, end) without its line end; the next starts at `next`
};
std::vector<Line> split_lines(std::string_view text);

}  // namespace limbeck::jinja

#include "limbeck/text/template_text.h"

#include <algorithm>

#include "limbeck/base/utf8.h"

namespace limbeck::jinja {
namespace {

bool all_ascii(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_start(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// Byte offsets of all code points of a string that is not ASCII.
std::vector<std::size_t> offsets(std::string_view bytes) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (is_start(bytes[i])) result.push_back(i);
  result.push_back(bytes.size());
  return result;
}

bool strips(std::string_view character, const std::string_view* set) {
  if (!set) return is_space(code_point_at(character, 0).value);
  return set->find(character) != std::string_view::npos;
}

}  // namespace

std::size_t Text::length() const noexcept {
  if (ascii) return bytes.size();
  return static_cast<std::size_t>(std::count_if(bytes.begin(), bytes.end(), is_start));
}

TextPtr literal(std::string_view bytes) {
  auto text = std::make_shared<Text>();
  text->bytes = bytes;
  text->ascii = all_ascii(bytes);
  if (!bytes.empty()) text->runs = {{bytes.size(), true}};
  return text;
}

void TextBuilder::reserve(std::size_t more) {
  budget_.step(1 + more / 512);
  const std::size_t need = bytes_.size() + more;
  if (need <= bytes_.capacity()) return;
  const std::size_t grown = std::max(need, bytes_.capacity() * 3 / 2);
  budget_.charge(grown - bytes_.capacity());
  charged_ += grown - bytes_.capacity();
  bytes_.reserve(grown);
}

void TextBuilder::append(std::string_view bytes, bool trusted) {
  if (bytes.empty()) return;
  reserve(bytes.size());
  bytes_ += bytes;
  if (!runs_.empty() && runs_.back().trusted == trusted) {
    runs_.back().end = bytes_.size();
  } else {
    budget_.charge(2 * sizeof(Run));
    charged_ += 2 * sizeof(Run);
    runs_.push_back({bytes_.size(), trusted});
  }
}

void TextBuilder::append(const Text& text, std::size_t from, std::size_t to) {
  const std::string_view bytes = text.bytes;
  auto run = std::upper_bound(text.runs.begin(), text.runs.end(), from,
                              [](std::size_t at, const Run& r) { return at < r.end; });
  while (from < to) {
    const std::size_t end = std::min(to, run->end);
    append(bytes.substr(from, end - from), run->trusted);
    from = end;
    ++run;
  }
}

void TextBuilder::repeat(std::string_view bytes, std::size_t count, bool trusted) {
  if (bytes.empty()) return;
  if (count > budget_.limits().heap_bytes / bytes.size())
    budget_.too_much("memory", budget_.limits().heap_bytes, "bytes");
  reserve(bytes.size() * count);
  for (std::size_t i = 0; i < count; ++i) append(bytes, trusted);
}

TextPtr TextBuilder::take(bool markup) {
  constexpr std::size_t kOverhead = sizeof(Text) + 32;
  budget_.charge(kOverhead);
  auto text = std::make_shared<Text>();
  text->budget = &budget_;
  text->charged = charged_ + kOverhead;
  text->bytes = std::move(bytes_);
  text->runs = std::move(runs_);
  text->markup = markup;
  text->ascii = all_ascii(text->bytes);
  bytes_ = {};
  runs_ = {};
  charged_ = 0;
  return text;
}

TextPtr make_text(Budget& budget, std::string_view bytes, bool trusted) {
  TextBuilder builder(budget);
  builder.append(bytes, trusted);
  return builder.take();
}

TextPtr slice_bytes(Budget& budget, const TextPtr& text, std::size_t from, std::size_t to) {
  if (from == 0 && to == text->bytes.size()) return text;
  TextBuilder builder(budget);
  if (from < to) builder.append(*text, from, to);
  return builder.take(text->markup);
}

TextPtr slice_points(Budget& budget, const TextPtr& text, std::int64_t start, std::int64_t stop,
                     std::int64_t step) {
  const std::size_t n = text->bytes.size();
  if (!text->ascii) budget.step(n / 64);
  std::vector<std::size_t> at;
  if (!text->ascii) at = offsets(text->bytes);
  const auto offset = [&](std::int64_t point) {
    return text->ascii ? static_cast<std::size_t>(point) : at[static_cast<std::size_t>(point)];
  };
  if (step == 1)
    return start < stop ? slice_bytes(budget, text, offset(start), offset(stop))
                        : slice_bytes(budget, text, 0, 0);
  TextBuilder builder(budget);
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop; i += step)
    builder.append(*text, offset(i), offset(i + 1));
  return builder.take(text->markup);
}

TextPtr concatenate(Budget& budget, const Text& left, const Text& right) {
  TextBuilder builder(budget);
  builder.append(left);
  builder.append(right);
  return builder.take(left.markup || right.markup);
}

TextPtr escape_html(Budget& budget, const Text& text) {
  TextBuilder builder(budget);
  std::size_t done = 0;
  const auto replace = [&](std::size_t at, std::string_view entity) {
    builder.append(text, done, at);
    const auto run = std::upper_bound(text.runs.begin(), text.runs.end(), at,
                                      [](std::size_t p, const Run& r) { return p < r.end; });
    builder.append(entity, run->trusted);
    done = at + 1;
  };
  for (std::size_t i = 0; !text.markup && i < text.bytes.size(); ++i) switch (text.bytes[i]) {
      case '&':
        replace(i, "&amp;");
        break;
      case '<':
        replace(i, "&lt;");
        break;
      case '>':
        replace(i, "&gt;");
        break;
      case '\'':
        replace(i, "&#39;");
        break;
      case '"':
        replace(i, "&#34;");
        break;
      default:
        break;
    }
  builder.append(text, done, text.bytes.size());
  return builder.take(true);
}

bool is_space(std::uint32_t c) noexcept {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

Range strip_range(std::string_view text, const std::string_view* set, bool left, bool right) {
  std::size_t from = 0, to = text.size();
  while (left && from < to) {
    const std::size_t bytes = code_point_at(text, from).bytes;
    if (!strips(text.substr(from, bytes), set)) break;
    from += bytes;
  }
  while (right && from < to) {
    std::size_t start = to - 1;
    while (start > from && !is_start(text[start])) --start;
    if (!strips(text.substr(start, to - start), set)) break;
    to = start;
  }
  return {from, to};
}

std::vector<Line> split_lines(std::string_view text) {
  std::vector<Line> lines;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = code_point_at(text, i);
    const bool ends = (c.value >= 10 && c.value <= 13) || (c.value >= 28 && c.value <= 30) ||
                      c.value == 0x85 || c.value == 0x2028 || c.value == 0x2029;
    std::size_t next = i + c.bytes;
    if (ends) {
      if (c.value == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.push_back({start, i, next});
      start = next;
    }
    i = next;
  }
  if (start < text.size()) lines.push_back({start, text.size(), text.size()});
  return lines;
}

}  // namespace limbeck::jinja

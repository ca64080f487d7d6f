// Python's "%" formatting, the part that templates use: %s %r %d %i %f %x %%, with flags, width,
// precision and names.
#include <cmath>

#include "limbeck/text/template_operators.h"

namespace limbeck::jinja {
namespace {

struct Conversion {
  std::string name;
  bool left = false, zero = false, plus = false;
  std::size_t width = 0;
  int precision = -1;
  char type = 's';
};

class Formatter {
 public:
  Formatter(Heap& heap, const Text& pattern, const std::vector<Value>& values, const Dict* named)
      : heap_(heap), pattern_(pattern), values_(values), named_(named), out_(heap.budget()) {}

  TextPtr run() {
    const std::string& bytes = pattern_.bytes;
    while (at_ < bytes.size()) {
      const std::size_t percent = std::min(bytes.find('%', at_), bytes.size());
      out_.append(pattern_, at_, percent);
      at_ = percent + 1;
      if (percent < bytes.size()) conversion();
    }
    if (!named_ && next_ < values_.size())
      heap_.error("not all arguments converted during string formatting");
    return out_.take(pattern_.markup);
  }

 private:
  char peek() const {
    if (at_ >= pattern_.bytes.size()) heap_.error("incomplete format");
    return pattern_.bytes[at_];
  }
  std::size_t number() {
    std::size_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + static_cast<std::size_t>(pattern_.bytes[at_++] - '0');
      if (value > 10'000) heap_.error("a format is too wide");
    }
    return value;
  }
  void conversion() {
    Conversion c;
    if (peek() == '(') {
      const std::size_t end = pattern_.bytes.find(')', at_);
      if (end == std::string::npos) heap_.error("incomplete format key");
      c.name = pattern_.bytes.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
    }
    for (bool flags = true; flags;) switch (peek()) {
        case '-':
          c.left = true, ++at_;
          break;
        case '0':
          c.zero = true, ++at_;
          break;
        case '+':
          c.plus = true, ++at_;
          break;
        default:
          flags = false;
      }
    c.width = number();
    if (peek() == '.') {
      ++at_;
      c.precision = static_cast<int>(number());
    }
    c.type = peek();
    ++at_;
    if (c.type == '%') return out_.append("%", true);
    emit(c, argument(c));
  }
  Value argument(const Conversion& c) {
    if (!c.name.empty()) {
      const Value* found = named_ ? named_->find(std::string_view(c.name)) : nullptr;
      if (!found) heap_.error("no value for the format key '" + c.name + "'");
      return *found;
    }
    if (next_ >= values_.size()) heap_.error("not enough arguments for format string");
    return values_[next_++];
  }
  void emit(const Conversion& c, const Value& value) {
    TextPtr text;
    if (c.type == 's' || c.type == 'r') {
      TextBuilder part(heap_.budget());
      c.type == 's' ? append_str(heap_, part, value) : append_repr(heap_, part, value);
      text = part.take();
      if (pattern_.markup) text = escape_html(heap_.budget(), *text);
      if (c.precision >= 0 && static_cast<std::size_t>(c.precision) < text->length())
        text = slice_points(heap_.budget(), text, 0, c.precision, 1);
    } else {
      text = make_text(heap_.budget(), digits(c, value), value.trusted);
    }
    const std::size_t length = text->length(), fill = c.width > length ? c.width - length : 0;
    const bool zeros = c.zero && !c.left && c.type != 's' && c.type != 'r';
    const bool sign = zeros && (text->bytes[0] == '-' || text->bytes[0] == '+');
    if (sign) out_.append(*text, 0, 1);
    if (!c.left) out_.repeat(zeros ? "0" : " ", fill, true);
    out_.append(*text, sign ? 1 : 0, text->bytes.size());
    if (c.left) out_.repeat(" ", fill, true);
  }
  std::string digits(const Conversion& c, const Value& value) const {
    if (!value.is_number())
      heap_.error(fmt::format("%{} needs a number, not {}", c.type, type_name(value)));
    std::string text;
    switch (c.type) {
      case 'd':
      case 'i':
        if (value.kind == Kind::real && !(std::fabs(value.real) < 9e18))
          heap_.error("a number is too large to format");
        text = std::to_string(value.kind == Kind::real ? static_cast<std::int64_t>(value.real)
                                                       : value.as_integer());
        break;
      case 'f':
        if (c.precision > 100) heap_.error("a format is too precise");
        text = fmt::format("{:.{}f}", value.as_real(), c.precision < 0 ? 6 : c.precision);
        break;
      case 'x':
        if (!value.is_integral()) heap_.error("%x needs an integer");
        text = fmt::format("{:x}", value.as_integer());
        break;
      default:
        fail(ErrorKind::unsupported, "{}:{}: the format %{}", heap_.budget().origin(),
             heap_.budget().line, c.type);
    }
    if (c.plus && text[0] != '-') text.insert(0, "+");
    return text;
  }

  Heap& heap_;
  const Text& pattern_;
  const std::vector<Value>& values_;
  const Dict* named_;
  TextBuilder out_;
  std::size_t at_ = 0, next_ = 0;
};

}  // namespace

Value format_percent(Heap& heap, const Text& pattern, const std::vector<Value>& values,
                     const Dict* named) {
  return Value(Formatter(heap, pattern, values, named).run());
}

}  // namespace limbeck::jinja

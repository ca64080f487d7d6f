// The filters on strings and numbers, and the look-up of all filters.
#include "limbeck/text/template_filters.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "limbeck/base/utf8.h"
#include "limbeck/text/template_case.h"
#include "limbeck/text/template_operators.h"

namespace limbeck::jinja {

bool flag(const Value* value, bool fallback) { return value ? truthy(*value) : fallback; }

std::int64_t integer(Heap& heap, const Value* value, std::int64_t fallback) {
  if (!value) return fallback;
  require_defined(heap, *value);
  if (!value->is_integral())
    heap.error(fmt::format("expected an integer, found a {}", type_name(*value)));
  return value->as_integer();
}

bool is_trusted(const Value& value) {
  return value.is_string() ? value.text->trusted() : value.trusted;
}

namespace {

Value change(Evaluator& e, const Value& value, Call& call, Case to) {
  call.bind(e.heap(), {});
  return Value(change_case(e.budget(), *to_str(e.heap(), value), to));
}
Value upper(Evaluator& e, const Value& v, Call& call) { return change(e, v, call, Case::upper); }
Value lower(Evaluator& e, const Value& v, Call& call) { return change(e, v, call, Case::lower); }
Value capitalize(Evaluator& e, const Value& v, Call& call) {
  return change(e, v, call, Case::capitalize);
}

// Jinja's own: words split at white space and at - ( { [ <, each with its first letter upper.
Value title(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  const TextPtr text = to_str(e.heap(), value);
  TextBuilder out(e.budget());
  std::size_t start = 0;
  const auto word = [&](std::size_t end) {
    if (start == end) return;
    const TextPtr part = slice_bytes(e.budget(), text, start, end);
    const TextPtr first = slice_points(e.budget(), part, 0, 1, 1);
    const TextPtr rest = slice_bytes(e.budget(), part, first->bytes.size(), part->bytes.size());
    out.append(*change_case(e.budget(), *first, Case::upper));
    out.append(*change_case(e.budget(), *rest, Case::lower));
  };
  for (std::size_t i = 0; i < text->bytes.size();) {
    const CodePoint c = code_point_at(text->bytes, i);
    if (is_space(c.value) ||
        std::u32string_view(U"-({[<").find(c.value) != std::u32string_view::npos) {
      word(i);
      out.append(*text, i, i + c.bytes);
      start = i + c.bytes;
    }
    i += c.bytes;
  }
  word(text->bytes.size());
  return Value(out.take());
}

Value trim(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"chars"});
  const TextPtr text = to_str(e.heap(), value);
  std::string_view set;
  const bool given = arguments[0] && !arguments[0]->is_none();
  if (given && !arguments[0]->is_string()) e.heap().error("trim needs a string of characters");
  if (given) set = arguments[0]->text->bytes;
  const Range range = strip_range(text->bytes, given ? &set : nullptr, true, true);
  return Value(slice_bytes(e.budget(), text, range.from, range.to));
}

Value to_string(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  return Value(to_str(e.heap(), value));
}

Value safe(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  TextBuilder out(e.budget());
  append_str(e.heap(), out, value);
  return Value(out.take(true));
}

Value escape(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  return Value(escape_html(e.budget(), *to_str(e.heap(), value)));
}

Value replace(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"old", "new", "count"});
  if (!arguments[0] || !arguments[1]) e.heap().error("replace needs an old and a new string");
  Call inner{call.function,
             {Value(to_str(e.heap(), *arguments[0])), Value(to_str(e.heap(), *arguments[1]))},
             {}};
  if (arguments[2] && !arguments[2]->is_none()) inner.positional.push_back(*arguments[2]);
  const Value text(to_str(e.heap(), value));
  return find_method(text, "replace")(e, text, inner);
}

Value to_integer(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"default", "base"});
  const std::int64_t fallback = integer(e.heap(), arguments[0], 0);
  const std::int64_t base = integer(e.heap(), arguments[1], 10);
  const bool trust = is_trusted(value);
  if (value.is_integral()) return Value::of(value.as_integer()).with_trust(trust);
  if (value.kind == Kind::real && std::fabs(value.real) < 9e18)
    return Value::of(static_cast<std::int64_t>(value.real)).with_trust(trust);
  if (!value.is_string() || base < 2 || base > 36) return Value::of(fallback);
  const Range range = strip_range(value.text->bytes, nullptr, true, true);
  std::string text = value.text->bytes.substr(range.from, range.to - range.from);
  if (!text.empty() && text[0] == '+') text.erase(0, 1);
  if (base == 16 && (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X")) text.erase(0, 2);
  std::int64_t result = 0;
  const char* end = text.data() + text.size();
  const auto whole = std::from_chars(text.data(), end, result, static_cast<int>(base));
  if (!text.empty() && whole.ec == std::errc() && whole.ptr == end)
    return Value::of(result).with_trust(trust);
  double real = 0;
  const auto parsed = std::from_chars(text.data(), end, real);
  if (!text.empty() && parsed.ec == std::errc() && parsed.ptr == end && std::fabs(real) < 9e18)
    return Value::of(static_cast<std::int64_t>(real)).with_trust(trust);
  return Value::of(fallback);
}

Value to_real(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"default"});
  Value fallback = arguments[0] ? *arguments[0] : Value::of(0.0);
  if (value.is_number()) return Value::of(value.as_real()).with_trust(value.trusted);
  if (!value.is_string()) return fallback;
  const Range range = strip_range(value.text->bytes, nullptr, true, true);
  std::string text = value.text->bytes.substr(range.from, range.to - range.from);
  if (!text.empty() && text[0] == '+') text.erase(0, 1);
  double result = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), result);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return fallback;
  return Value::of(result).with_trust(is_trusted(value));
}

Value absolute(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  require_defined(e.heap(), value);
  if (!value.is_number()) e.heap().error(fmt::format("abs of a {}", type_name(value)));
  if (value.kind == Kind::real) return Value::of(std::fabs(value.real)).with_trust(value.trusted);
  return value.as_integer() < 0 ? negate(e.heap(), value)
                                : Value::of(value.as_integer()).with_trust(value.trusted);
}

Value round(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"precision", "method"});
  const std::int64_t precision = integer(e.heap(), arguments[0], 0);
  const std::string method =
      arguments[1] && arguments[1]->is_string() ? arguments[1]->text->bytes : "common";
  require_defined(e.heap(), value);
  if (!value.is_number()) e.heap().error(fmt::format("round of a {}", type_name(value)));
  if (precision < -300 || precision > 300) e.heap().error("round: the precision is out of range");
  const double scale = std::pow(10.0, static_cast<double>(precision)), x = value.as_real();
  if (method == "ceil") return Value::of(std::ceil(x * scale) / scale).with_trust(value.trusted);
  if (method == "floor") return Value::of(std::floor(x * scale) / scale).with_trust(value.trusted);
  if (method != "common") e.heap().error("round: method must be common, ceil or floor");
  if (value.is_integral() && precision >= 0) return value;
  double result = 0;
  if (precision >= 0) {  // correctly rounded by the decimal expansion, as Python does
    const std::string text = fmt::format("{:.{}f}", x, precision);
    std::from_chars(text.data(), text.data() + text.size(), result);
  } else {
    result = std::nearbyint(x * scale) / scale;
  }
  if (value.is_integral())
    return Value::of(static_cast<std::int64_t>(result)).with_trust(value.trusted);
  return Value::of(result).with_trust(value.trusted);
}

Value fallback(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"default_value", "boolean"});
  if (value.is_undefined() || (flag(arguments[1], false) && !truthy(value)))
    return arguments[0] ? *arguments[0] : e.heap().string("");
  return value;
}

Value format(Evaluator& e, const Value& value, Call& call) {
  const TextPtr pattern = to_str(e.heap(), value);
  if (call.named.empty()) return format_percent(e.heap(), *pattern, call.positional, nullptr);
  auto* named = e.heap().make<Dict>();
  for (auto& [name, argument] : call.named) e.heap().set(*named, e.heap().string(name), argument);
  return format_percent(e.heap(), *pattern, {}, named);
}

Value indent(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"width", "first", "blank"});
  const TextPtr text = to_str(e.heap(), value);
  TextPtr indention;
  if (arguments[0] && arguments[0]->is_string()) {
    indention = arguments[0]->text;
  } else {
    TextBuilder spaces(e.budget());
    spaces.repeat(
        " ",
        static_cast<std::size_t>(std::max<std::int64_t>(0, integer(e.heap(), arguments[0], 4))),
        true);
    indention = spaces.take();
  }
  const bool first = flag(arguments[1], false), blank = flag(arguments[2], false);
  TextBuilder out(e.budget());
  if (first) out.append(*indention);
  const std::string with_end = text->bytes + "\n";  // so that a last empty line counts
  bool start = true;
  for (const Line& line : split_lines(with_end)) {
    if (!start) out.append("\n", true);
    if (!start && (blank || line.end > line.start)) out.append(*indention);
    if (line.end > line.start) out.append(*text, line.start, line.end);
    start = false;
  }
  return Value(out.take(text->markup));
}

Value json(Evaluator& e, const Value& value, Call& call) {
  const auto a = call.bind(e.heap(), {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = flag(a[0], false);
  style.sort_keys = flag(a[3], false);
  if (a[1] && !a[1]->is_none()) {
    style.lines = true;
    style.item_separator = ",";
    if (a[1]->is_string())
      style.indent = a[1]->text->bytes;
    else
      style.indent.assign(
          static_cast<std::size_t>(std::clamp<std::int64_t>(integer(e.heap(), a[1], 0), 0, 1000)),
          ' ');
  }
  if (a[2] && !a[2]->is_none()) {
    const std::vector<Value> parts = iterate(e.heap(), *a[2]);
    if (parts.size() != 2 || !parts[0].is_string() || !parts[1].is_string())
      e.heap().error("tojson: separators must be two strings");
    style.item_separator = parts[0].text->bytes;
    style.key_separator = parts[1].text->bytes;
  }
  return Value(to_json(e.heap(), value, style));
}

Value center(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"width"});
  const TextPtr text = to_str(e.heap(), value);
  const std::int64_t width = integer(e.heap(), arguments[0], 80);
  const std::int64_t fill =
      std::max<std::int64_t>(0, width - static_cast<std::int64_t>(text->length()));
  const std::int64_t left = fill / 2 + (fill & width & 1);  // as CPython's str.center
  TextBuilder out(e.budget());
  out.repeat(" ", static_cast<std::size_t>(left), true);
  out.append(*text);
  out.repeat(" ", static_cast<std::size_t>(fill - left), true);
  return Value(out.take(text->markup));
}

constexpr Filter kFilters[] = {
    {"upper", upper},     {"lower", lower},    {"capitalize", capitalize},
    {"title", title},     {"trim", trim},      {"string", to_string},
    {"safe", safe},       {"escape", escape},  {"e", escape},
    {"replace", replace}, {"int", to_integer}, {"float", to_real},
    {"abs", absolute},    {"round", round},    {"default", fallback},
    {"d", fallback},      {"format", format},  {"indent", indent},
    {"tojson", json},     {"center", center},
};

}  // namespace

std::span<const Filter> string_filters() { return kFilters; }

const Filter* find_filter(std::string_view name) {
  for (const auto table : {string_filters(), sequence_filters(), selection_filters()})
    for (const Filter& filter : table)
      if (filter.name == name) return &filter;
  return nullptr;
}

}  // namespace limbeck::jinja

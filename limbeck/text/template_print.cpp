// str(), repr() and json.dumps() of the template interpreter's values, byte for byte as Python's.
#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "limbeck/base/utf8.h"
#include "limbeck/text/template_value.h"

namespace limbeck::jinja {
namespace {

bool printable(std::uint32_t c) {
  if (c == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

// One character of a repr, `quote` being the quotation mark around it.
std::string repr_character(std::string_view bytes, std::uint32_t c, char quote) {
  if (c == '\\' || c == static_cast<unsigned char>(quote)) return std::string("\\") + bytes[0];
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  if (printable(c)) return std::string(bytes);
  if (c < 0x100) return fmt::format("\\x{:02x}", c);
  return c < 0x10000 ? fmt::format("\\u{:04x}", c) : fmt::format("\\U{:08x}", c);
}

std::string json_character(std::string_view bytes, std::uint32_t c, bool ascii) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\f':
      return "\\f";
    case '\b':
      return "\\b";
    default:
      break;
  }
  if (c < 0x20 || (ascii && c > 0x7e && c < 0x10000)) return fmt::format("\\u{:04x}", c);
  if (!ascii || c < 0x7f) return std::string(bytes);
  return fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((c - 0x10000) >> 10),
                     0xdc00 + ((c - 0x10000) & 0x3ff));
}

// Appends each character of `text` as `map` gives it, with its own provenance.
template <typename Map>
void append_mapped(Heap& heap, TextBuilder& out, const Text& text, Map map) {
  heap.budget().step(text.bytes.size() / 32);
  std::size_t at = 0;
  for (const Run& run : text.runs) {
    std::string mapped;
    while (at < run.end) {
      const CodePoint point = code_point_at(text.bytes, at);
      mapped += map(std::string_view(text.bytes).substr(at, point.bytes), point.value);
      at += point.bytes;
    }
    out.append(mapped, run.trusted);
  }
}

void append_string_repr(Heap& heap, TextBuilder& out, const Text& text) {
  const bool single = text.bytes.find('\'') == std::string::npos;
  const char quote = !single && text.bytes.find('"') == std::string::npos ? '"' : '\'';
  if (text.markup) out.append("Markup(", text.trusted());
  out.append({&quote, 1}, text.trusted());
  append_mapped(heap, out, text, [&](std::string_view bytes, std::uint32_t c) {
    return repr_character(bytes, c, quote);
  });
  out.append({&quote, 1}, text.trusted());
  if (text.markup) out.append(")", text.trusted());
}

void append_items_repr(Heap& heap, TextBuilder& out, const Value& value) {
  const Sequence& sequence = *value.sequence();
  const bool tuple = sequence.flavor == Flavor::tuple, view = sequence.flavor > Flavor::tuple;
  if (sequence.flavor == Flavor::generator)
    heap.error("a generator cannot be printed: add | list or | join");
  if (sequence.flavor == Flavor::range) heap.error("a range cannot be printed: add | list");
  if (view) out.append(fmt::format("{}(", type_name(value)), true);
  out.append(tuple ? "(" : "[", true);
  for (std::size_t i = 0; i < sequence.items.size(); ++i) {
    if (i > 0) out.append(", ", true);
    append_repr(heap, out, sequence.items[i]);
  }
  if (tuple && sequence.items.size() == 1) out.append(",", true);
  out.append(tuple ? ")" : "]", true);
  if (view) out.append(")", true);
}

class JsonWriter {
 public:
  JsonWriter(Heap& heap, const JsonStyle& style)
      : heap_(heap), style_(style), out_(heap.budget()) {}

  void write(const Value& value, std::size_t level) {
    heap_.budget().step();
    const Budget::Depth depth(heap_.budget());
    switch (value.kind) {
      case Kind::none:
      case Kind::boolean:
      case Kind::integer:
      case Kind::real:
        scalar(value);
        break;
      case Kind::string:
        string(*value.text);
        break;
      case Kind::dict:
        dict(*value.dict(), level);
        break;
      case Kind::sequence:
        if (value.sequence()->flavor <= Flavor::tuple) {
          list(value.sequence()->items, level);
          break;
        }
        [[fallthrough]];
      default:
        heap_.error(fmt::format("a value of type {} cannot be written as JSON{}", type_name(value),
                                value.text ? ": " + value.text->bytes : std::string()));
    }
  }
  TextPtr finish() {
    const std::string bytes = out_.bytes();
    heap_.budget().charge(bytes.size());
    heap_.budget().release(bytes.size());
    return trusted_ ? out_.take() : make_text(heap_.budget(), bytes, false);
  }

 private:
  void put(std::string_view bytes) { out_.append(bytes, true); }

  void scalar(const Value& value) {
    trusted_ = trusted_ && value.trusted;
    put(scalar_text(value));
  }
  static std::string scalar_text(const Value& value) {
    switch (value.kind) {
      case Kind::none:
        return "null";
      case Kind::boolean:
        return value.boolean ? "true" : "false";
      case Kind::integer:
        return std::to_string(value.integer);
      default:
        break;
    }
    if (std::isnan(value.real)) return "NaN";
    if (std::isinf(value.real)) return value.real > 0 ? "Infinity" : "-Infinity";
    return real_repr(value.real);
  }
  void string(const Text& text) {
    trusted_ = trusted_ && text.trusted();
    put("\"");
    append_mapped(heap_, out_, text, [&](std::string_view bytes, std::uint32_t c) {
      return json_character(bytes, c, style_.ascii);
    });
    put("\"");
  }
  void key(const Value& key) {
    if (key.is_string()) return string(*key.text);
    if (!key.is_number() && !key.is_none())
      heap_.error(fmt::format("a {} cannot be a key in JSON", type_name(key)));
    trusted_ = trusted_ && key.trusted;
    put("\"" + scalar_text(key) + "\"");
  }
  void new_line(std::size_t level) {
    if (!style_.lines) return;
    put("\n");
    for (std::size_t i = 0; i < level; ++i) put(style_.indent);
  }
  void separate(bool first, std::size_t level) {
    if (!first) put(style_.item_separator);
    new_line(level);
  }
  void list(const std::vector<Value>& items, std::size_t level) {
    put("[");
    for (std::size_t i = 0; i < items.size(); ++i) {
      separate(i == 0, level + 1);
      write(items[i], level + 1);
    }
    if (!items.empty()) new_line(level);
    put("]");
  }
  void dict(const Dict& dict, std::size_t level) {
    std::vector<const std::pair<Value, Value>*> order;
    for (const auto& item : dict.items) order.push_back(&item);
    if (style_.sort_keys)
      std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
        return compare(heap_, a->first, b->first) < 0;
      });
    put("{");
    for (std::size_t i = 0; i < order.size(); ++i) {
      separate(i == 0, level + 1);
      key(order[i]->first);
      put(style_.key_separator);
      write(order[i]->second, level + 1);
    }
    if (!order.empty()) new_line(level);
    put("}");
  }

  Heap& heap_;
  const JsonStyle& style_;
  TextBuilder out_;
  bool trusted_ = true;
};

}  // namespace

// Python's repr of a float: the shortest digits that read back, exponents outside 1e-4 .. 1e16.
std::string real_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  const std::size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  if (exponent < -4 || exponent >= 16) return text;  // "1e-05", "1.5e+16": as Python writes it
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  text.assign(buffer, fixed.ptr);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

void append_repr(Heap& heap, TextBuilder& out, const Value& value) {
  heap.budget().step();
  const Budget::Depth depth(heap.budget());
  switch (value.kind) {
    case Kind::undefined:
      out.append("Undefined", true);
      break;
    case Kind::none:
      out.append("None", value.trusted);
      break;
    case Kind::boolean:
      out.append(value.boolean ? "True" : "False", value.trusted);
      break;
    case Kind::integer:
      out.append(std::to_string(value.integer), value.trusted);
      break;
    case Kind::real:
      out.append(real_repr(value.real), value.trusted);
      break;
    case Kind::string:
      append_string_repr(heap, out, *value.text);
      break;
    case Kind::sequence:
      append_items_repr(heap, out, value);
      break;
    case Kind::space:
      out.append("<Namespace ", true);
      [[fallthrough]];
    case Kind::dict: {
      out.append("{", true);
      bool first = true;
      for (const auto& [key, item] : value.dict()->items) {
        if (!first) out.append(", ", true);
        first = false;
        append_repr(heap, out, key);
        out.append(": ", true);
        append_repr(heap, out, item);
      }
      out.append(value.kind == Kind::space ? "}>" : "}", true);
      break;
    }
    default:
      heap.error(fmt::format("a {} cannot be printed", type_name(value)));
  }
}

void append_str(Heap& heap, TextBuilder& out, const Value& value) {
  if (value.is_string()) return out.append(*value.text);
  if (!value.is_undefined()) append_repr(heap, out, value);
}

TextPtr to_str(Heap& heap, const Value& value) {
  if (value.is_string()) return value.text;
  TextBuilder out(heap.budget());
  append_str(heap, out, value);
  return out.take();
}

TextPtr to_json(Heap& heap, const Value& value, const JsonStyle& style) {
  JsonWriter writer(heap, style);
  writer.write(value, 0);
  return writer.finish();
}

}  // namespace limbeck::jinja

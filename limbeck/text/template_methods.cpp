// The methods of strings that chat templates call.
#include "limbeck/text/template_methods.h"

#include <utf8proc.h>

#include <algorithm>

#include "limbeck/base/utf8.h"
#include "limbeck/text/template_case.h"
#include "limbeck/text/template_filters.h"
#include "limbeck/text/template_operators.h"
#include "limbeck/text/template_predicates.h"

namespace limbeck::jinja {
namespace {

using E = Evaluator;
using V = Value;

const std::string& string_argument(E& e, const Call& call, const Value* value) {
  if (!value || !value->is_string())
    e.heap().error(fmt::format("{}() needs a string", call.function));
  return value->text->bytes;
}
bool given(const Value* value) { return value && !value->is_none(); }

V strip_sides(E& e, const V& self, const Call& call, bool left, bool right) {
  const auto a = call.bind(e.heap(), {"chars"});
  std::string_view set;
  if (given(a[0])) set = string_argument(e, call, a[0]);
  const Range range = strip_range(self.text->bytes, given(a[0]) ? &set : nullptr, left, right);
  return V(slice_bytes(e.budget(), self.text, range.from, range.to));
}
V strip(E& e, const V& self, Call& call) { return strip_sides(e, self, call, true, true); }
V lstrip(E& e, const V& self, Call& call) { return strip_sides(e, self, call, true, false); }
V rstrip(E& e, const V& self, Call& call) { return strip_sides(e, self, call, false, true); }

V change(E& e, const V& self, const Call& call, Case to) {
  call.bind(e.heap(), {});
  return V(change_case(e.budget(), *self.text, to));
}
V upper(E& e, const V& self, Call& call) { return change(e, self, call, Case::upper); }
V lower(E& e, const V& self, Call& call) { return change(e, self, call, Case::lower); }
V title(E& e, const V& self, Call& call) { return change(e, self, call, Case::title); }
V capitalize(E& e, const V& self, Call& call) { return change(e, self, call, Case::capitalize); }
V swapcase(E& e, const V& self, Call& call) { return change(e, self, call, Case::swap); }

V replace(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"old", "new", "count"});
  const std::string &from = string_argument(e, call, a[0]), &bytes = self.text->bytes;
  string_argument(e, call, a[1]);
  std::int64_t left = given(a[2]) ? integer(e.heap(), a[2], -1) : -1;
  TextBuilder out(e.budget());
  std::size_t at = 0;
  e.budget().step(bytes.size() / 64);
  while (left != 0) {
    std::size_t found = bytes.find(from, at);
    if (found == std::string::npos) break;
    if (from.empty()) {  // before every character, and at the end
      out.append(*a[1]->text);
      if (at == bytes.size()) break;
      const std::size_t n = code_point_at(bytes, at).bytes;
      out.append(*self.text, at, at + n);
      at += n;
    } else {
      out.append(*self.text, at, found);
      out.append(*a[1]->text);
      at = found + from.size();
    }
    --left;
  }
  out.append(*self.text, at, bytes.size());
  return V(out.take(self.text->markup));
}

V pieces(E& e, const V& self, const std::vector<Range>& ranges) {
  std::vector<Value> items;
  for (const Range& range : ranges)
    e.heap().push(items, V(slice_bytes(e.budget(), self.text, range.from, range.to)));
  return e.heap().list(std::move(items));
}

std::vector<Range> split_at_space(std::string_view bytes, std::int64_t most) {
  std::vector<Range> result;
  std::size_t at = 0;
  while (true) {
    at += strip_range(bytes.substr(at), nullptr, true, false).from;
    if (at >= bytes.size()) return result;
    if (most >= 0 && static_cast<std::int64_t>(result.size()) == most) {
      result.push_back({at, at + strip_range(bytes.substr(at), nullptr, false, true).to});
      return result;
    }
    std::size_t end = at;
    while (end < bytes.size() && !is_space(code_point_at(bytes, end).value))
      end += code_point_at(bytes, end).bytes;
    result.push_back({at, end});
    at = end;
  }
}

V split(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"sep", "maxsplit"});
  const std::int64_t most = integer(e.heap(), a[1], -1);
  const std::string& bytes = self.text->bytes;
  e.budget().step(bytes.size() / 64);
  if (!given(a[0])) return pieces(e, self, split_at_space(bytes, most));
  const std::string& separator = string_argument(e, call, a[0]);
  if (separator.empty()) e.heap().error("split(): empty separator");
  std::vector<Range> ranges;
  std::size_t at = 0;
  for (std::size_t found = bytes.find(separator); found != std::string::npos;
       found = bytes.find(separator, at)) {
    if (most >= 0 && static_cast<std::int64_t>(ranges.size()) == most) break;
    ranges.push_back({at, found});
    at = found + separator.size();
  }
  ranges.push_back({at, bytes.size()});
  return pieces(e, self, ranges);
}

V rsplit(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"sep", "maxsplit"});
  const std::int64_t most = integer(e.heap(), a[1], -1);
  if (most < 0) return split(e, self, call);
  const std::string &bytes = self.text->bytes, &separator = string_argument(e, call, a[0]);
  if (separator.empty()) e.heap().error("rsplit(): empty separator");
  std::vector<Range> ranges;
  std::size_t end = bytes.size();
  while (end >= separator.size() && static_cast<std::int64_t>(ranges.size()) < most) {
    const std::size_t found = bytes.rfind(separator, end - separator.size());
    if (found == std::string::npos) break;
    ranges.push_back({found + separator.size(), end});
    end = found;
  }
  ranges.push_back({0, end});
  std::reverse(ranges.begin(), ranges.end());
  return pieces(e, self, ranges);
}

V splitlines(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"keepends"});
  std::vector<Range> ranges;
  for (const Line& line : split_lines(self.text->bytes))
    ranges.push_back({line.start, flag(a[0], false) ? line.next : line.end});
  return pieces(e, self, ranges);
}

V partition_at(E& e, const V& self, const Call& call, bool last) {
  const auto a = call.bind(e.heap(), {"sep"});
  const std::string &bytes = self.text->bytes, &separator = string_argument(e, call, a[0]);
  if (separator.empty()) e.heap().error("partition(): empty separator");
  const std::size_t at = last ? bytes.rfind(separator) : bytes.find(separator);
  const auto part = [&](std::size_t from, std::size_t to) {
    return V(slice_bytes(e.budget(), self.text, from, to));
  };
  const std::size_t n = bytes.size();
  if (at == std::string::npos)
    return e.heap().list(last ? std::vector<V>{part(0, 0), part(0, 0), self}
                              : std::vector<V>{self, part(0, 0), part(0, 0)},
                         Flavor::tuple);
  const std::size_t behind = at + separator.size();
  return e.heap().list({part(0, at), part(at, behind), part(behind, n)}, Flavor::tuple);
}
V partition(E& e, const V& self, Call& call) { return partition_at(e, self, call, false); }
V rpartition(E& e, const V& self, Call& call) { return partition_at(e, self, call, true); }

// The byte range that the optional start and end (code points) of find() and others mean.
Range window(E& e, const V& self, const Value* start, const Value* end) {
  const V part = slice(e.heap(), self, start, end, nullptr);
  const V head = slice(e.heap(), self, nullptr, start, nullptr);
  const std::size_t from = given(start) ? head.text->bytes.size() : 0;
  return {from, from + part.text->bytes.size()};
}

bool affix(E& e, const V& self, const Call& call, bool end) {
  const auto a = call.bind(e.heap(), {"affix", "start", "end"});
  const Range range = window(e, self, a[1], a[2]);
  const std::string_view text =
      std::string_view(self.text->bytes).substr(range.from, range.to - range.from);
  const auto fits = [&](const Value& one) {
    const std::string& part = string_argument(e, call, &one);
    return end ? text.ends_with(part) : text.starts_with(part);
  };
  if (a[0] && a[0]->kind == Kind::sequence && a[0]->sequence()->flavor == Flavor::tuple)
    return std::any_of(a[0]->sequence()->items.begin(), a[0]->sequence()->items.end(), fits);
  return fits(a[0] ? *a[0] : V());
}
V startswith(E& e, const V& self, Call& call) { return V::of(affix(e, self, call, false)); }
V endswith(E& e, const V& self, Call& call) { return V::of(affix(e, self, call, true)); }

std::int64_t search(E& e, const V& self, const Call& call, bool last) {
  const auto a = call.bind(e.heap(), {"sub", "start", "end"});
  const std::string& part = string_argument(e, call, a[0]);
  const Range range = window(e, self, a[1], a[2]);
  const std::string_view text = std::string_view(self.text->bytes).substr(0, range.to);
  const std::size_t found = last ? text.rfind(part) : text.find(part, range.from);
  if (found == std::string_view::npos || found < range.from) return -1;
  return static_cast<std::int64_t>(slice_bytes(e.budget(), self.text, 0, found)->length());
}
V find(E& e, const V& self, Call& call) { return V::of(search(e, self, call, false)); }
V rfind(E& e, const V& self, Call& call) { return V::of(search(e, self, call, true)); }
V index(E& e, const V& self, Call& call) {
  const std::int64_t at = search(e, self, call, false);
  if (at < 0) e.heap().error("index(): substring not found");
  return V::of(at);
}

V count(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"sub"});
  const std::string &part = string_argument(e, call, a[0]), &bytes = self.text->bytes;
  if (part.empty()) return V::of(self.text->length() + 1);
  std::int64_t n = 0;
  for (std::size_t at = bytes.find(part); at != std::string::npos;
       at = bytes.find(part, at + part.size()))
    ++n;
  return V::of(n);
}

V join(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"iterable"});
  if (!a[0]) e.heap().error("join() needs something to join");
  TextBuilder out(e.budget());
  bool start = true;
  for (const Value& item : iterate(e.heap(), *a[0])) {
    if (!item.is_string())
      e.heap().error(fmt::format("join(): expected strings, found a {}", type_name(item)));
    if (!start) out.append(*self.text);
    start = false;
    out.append(*item.text);
  }
  return V(out.take(self.text->markup));
}

V removeprefix(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"prefix"});
  const std::string& part = string_argument(e, call, a[0]);
  const std::size_t cut = self.text->bytes.starts_with(part) ? part.size() : 0;
  return V(slice_bytes(e.budget(), self.text, cut, self.text->bytes.size()));
}
V removesuffix(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"suffix"});
  const std::string& part = string_argument(e, call, a[0]);
  const std::size_t cut = self.text->bytes.ends_with(part) ? part.size() : 0;
  return V(slice_bytes(e.budget(), self.text, 0, self.text->bytes.size() - cut));
}

V pad(E& e, const V& self, const Call& call, bool left, bool zeros) {
  const auto a = call.bind(e.heap(), {"width", "fillchar"});
  const std::int64_t width = integer(e.heap(), a[0], 0),
                     n = static_cast<std::int64_t>(self.text->length());
  const std::string fill = zeros ? "0" : a[1] ? string_argument(e, call, a[1]) : " ";
  const auto missing = static_cast<std::size_t>(std::max<std::int64_t>(0, width - n));
  const bool sign = zeros && n > 0 && (self.text->bytes[0] == '-' || self.text->bytes[0] == '+');
  TextBuilder out(e.budget());
  if (sign) out.append(*self.text, 0, 1);
  if (left) out.repeat(fill, missing, a[1] ? a[1]->text->trusted() : true);
  out.append(*self.text, sign ? 1 : 0, self.text->bytes.size());
  if (!left) out.repeat(fill, missing, a[1] ? a[1]->text->trusted() : true);
  return V(out.take(self.text->markup));
}
V ljust(E& e, const V& self, Call& call) { return pad(e, self, call, false, false); }
V rjust(E& e, const V& self, Call& call) { return pad(e, self, call, true, false); }
V zfill(E& e, const V& self, Call& call) { return pad(e, self, call, true, true); }

template <typename Is>
bool every(E& e, const V& self, const Call& call, Is is) {
  call.bind(e.heap(), {});
  const std::string& bytes = self.text->bytes;
  for (std::size_t i = 0; i < bytes.size(); i += code_point_at(bytes, i).bytes)
    if (!is(code_point_at(bytes, i).value)) return false;
  return !bytes.empty();
}
bool letter(std::uint32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
bool digit(std::uint32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND;
}
V isdigit(E& e, const V& self, Call& call) { return V::of(every(e, self, call, digit)); }
V isalpha(E& e, const V& self, Call& call) { return V::of(every(e, self, call, letter)); }
V isalnum(E& e, const V& self, Call& call) {
  return V::of(every(e, self, call, [](std::uint32_t c) { return letter(c) || digit(c); }));
}
V isspace(E& e, const V& self, Call& call) { return V::of(every(e, self, call, is_space)); }
V isupper(E& e, const V& self, Call& call) {
  return V::of(find_predicate("upper")->holds(e, self, call));
}
V islower(E& e, const V& self, Call& call) {
  return V::of(find_predicate("lower")->holds(e, self, call));
}

constexpr Filter kMethods[] = {
    {"strip", strip},
    {"lstrip", lstrip},
    {"rstrip", rstrip},
    {"upper", upper},
    {"lower", lower},
    {"title", title},
    {"capitalize", capitalize},
    {"swapcase", swapcase},
    {"replace", replace},
    {"split", split},
    {"rsplit", rsplit},
    {"splitlines", splitlines},
    {"partition", partition},
    {"rpartition", rpartition},
    {"startswith", startswith},
    {"endswith", endswith},
    {"find", find},
    {"rfind", rfind},
    {"index", index},
    {"count", count},
    {"join", join},
    {"removeprefix", removeprefix},
    {"removesuffix", removesuffix},
    {"ljust", ljust},
    {"rjust", rjust},
    {"zfill", zfill},
    {"isdigit", isdigit},
    {"isdecimal", isdigit},
    {"isnumeric", isdigit},
    {"isalpha", isalpha},
    {"isalnum", isalnum},
    {"isspace", isspace},
    {"isupper", isupper},
    {"islower", islower},
};

}  // namespace

Function find_string_method(std::string_view name) {
  for (const Filter& method : kMethods)
    if (method.name == name) return method.apply;
  return nullptr;
}

}  // namespace limbeck::jinja

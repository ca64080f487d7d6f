#include "limbeck/text/json_pointer.h"

#include <charconv>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Percent escapes of the URI fragment, then ~1 and ~0 of the pointer.
std::string unescape(std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const int high = part[i] == '%' && i + 2 < part.size() ? hex_digit(part[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(part[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += part[i];
    }
  }
  std::string result;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == '~' && i + 1 < out.size() && (out[i + 1] == '0' || out[i + 1] == '1'))
      result += out[++i] == '0' ? '~' : '/';
    else
      result += out[i];
  }
  return result;
}

const Json* child(const Json& json, const std::string& key) {
  if (json.is_object()) {
    const auto found = json.find(key);
    return found == json.end() ? nullptr : &*found;
  }
  std::size_t index = 0;
  const char* end = key.data() + key.size();
  const auto parsed = std::from_chars(key.data(), end, index);
  if (!json.is_array() || key.empty() || parsed.ec != std::errc() || parsed.ptr != end)
    return nullptr;
  return index < json.size() ? &json[index] : nullptr;
}

}  // namespace

const Json* resolve_local_ref(const Json& root, std::string_view ref) {
  if (!ref.starts_with('#') || (ref.size() > 1 && ref[1] != '/'))
    fail(ErrorKind::unsupported,
         "$ref '{}': only references within the schema (\"#/...\") are supported", ref);
  const Json* at = &root;
  std::string_view rest = ref.substr(1);
  while (at && !rest.empty()) {
    rest.remove_prefix(1);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    at = child(*at, unescape(rest.substr(0, slash)));
    rest.remove_prefix(slash);
  }
  return at;
}

std::string pointer_step(std::string_view pointer, std::string_view key) {
  std::string out = std::string(pointer) + '/';
  for (const char c : key) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

bool json_equal(const Json& a, const Json& b) {
  if (a.is_object() && b.is_object()) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a.items()) {
      const auto other = b.find(key);
      if (other == b.end() || !json_equal(value, *other)) return false;
    }
    return true;
  }
  if (a.is_array() && b.is_array()) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
      if (!json_equal(a[i], b[i])) return false;
    return true;
  }
  return a == b;
}

}  // namespace limbeck

#include "limbeck/base/json.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"

namespace limbeck {
namespace {

// A pointer that tells the handler how far the parser has read: its events carry no position.
struct Cursor {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  const char** seen;

  const char& operator*() const noexcept { return *at; }
  Cursor& operator++() noexcept {
    *seen = ++at;
    return *this;
  }
  bool operator==(const Cursor& other) const noexcept { return at == other.at; }
};

// Under this many keys a scan is faster than a hash table.
constexpr std::size_t kScannedKeys = 16;

// Builds the tree. Members are appended to the vector under ordered_map, whose own insertion
// searches the whole object each time.
class TreeBuilder {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;
  using Members = std::vector<std::pair<const std::string, Json>>;

  TreeBuilder(std::string_view text, std::string_view origin, const JsonLimits& limits,
              const char* const& seen)
      : text_(text), origin_(origin), limits_(limits), seen_(seen) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(number_integer_t value) { return add(value); }
  bool number_unsigned(number_unsigned_t value) { return add(value); }
  bool number_float(number_float_t value, const string_t&) { return add(value); }
  bool string(string_t& value) { return add(std::move(value)); }
  bool binary(binary_t&) { return false; }

  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& key) {
    Level& level = levels_.back();
    Members& members = members_of(level);
    const std::size_t old = find(level, members, key);
    if (old == members.size()) {
      if (members.size() >= kScannedKeys) level.index.emplace(key, members.size());
      members.emplace_back(std::move(key), nullptr);
    } else if (!limits_.duplicate_keys) {
      refuse(position(), fmt::format("duplicate key {}", Json(key).dump()));
    }
    level.member = old;
    return true;
  }

  template <typename Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception& error) {
    // "[json.exception...] parse error at line 1, column 2: what is wrong"
    std::string_view what = error.what();
    const auto column = what.find("column ");
    const auto colon = column == what.npos ? what.npos : what.find(": ", column);
    what.remove_prefix(colon != what.npos ? colon + 2 : std::min(what.find("] ") + 2, what.size()));
    refuse(position > 0 ? position - 1 : 0, what);
  }

  Json take() { return std::move(root_); }

 private:
  struct Level {
    Json* container;
    std::size_t member = 0;                              // of an object: where the value goes
    std::unordered_map<std::string, std::size_t> index;  // of an object with many keys
  };

  static Members& members_of(Level& level) { return level.container->get_ref<Json::object_t&>(); }

  std::size_t position() const { return static_cast<std::size_t>(seen_ - text_.data()); }

  [[noreturn]] void refuse(std::size_t position, std::string_view what) const {
    const auto before = text_.substr(0, position);
    const auto line =
        limits_.first_line + static_cast<std::size_t>(std::ranges::count(before, '\n'));
    const auto start = before.rfind('\n');
    const auto column = start == before.npos ? before.size() + 1 : before.size() - start;
    const auto where = fmt::format("{}:{}:{}", origin_, line, column);
    throw Error(ErrorKind::format, fmt::format("{}: {}", where, what)).at(where);
  }

  std::size_t find(Level& level, const Members& members, const std::string& key) {
    if (members.size() < kScannedKeys) {
      return static_cast<std::size_t>(std::ranges::find(members, key, &Members::value_type::first) -
                                      members.begin());
    }
    if (level.index.empty()) {
      for (std::size_t i = 0; i < members.size(); ++i) level.index.emplace(members[i].first, i);
    }
    const auto found = level.index.find(key);
    return found == level.index.end() ? members.size() : found->second;
  }

  Json* place(Json&& value) {
    if (levels_.empty()) return &(root_ = std::move(value));
    Level& level = levels_.back();
    if (level.container->is_array()) {
      auto& items = level.container->get_ref<Json::array_t&>();
      return &items.emplace_back(std::move(value));
    }
    return &(members_of(level)[level.member].second = std::move(value));
  }

  template <typename Value>
  bool add(Value&& value) {
    place(Json(std::forward<Value>(value)));
    return true;
  }

  bool open(Json&& container) {
    if (levels_.size() >= limits_.depth) {
      refuse(position(), fmt::format("nested deeper than {} levels", limits_.depth));
    }
    levels_.push_back({place(std::move(container)), 0, {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  std::string_view text_, origin_;
  const JsonLimits& limits_;
  const char* const& seen_;
  Json root_;
  std::vector<Level> levels_;
};

}  // namespace

Json parse_json(std::string_view text, std::string_view origin, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    fail(ErrorKind::format, "{}: {} bytes of JSON, the limit here is {}", origin, text.size(),
         limits.bytes);
  }
  const char* seen = text.data();
  TreeBuilder builder(text, origin, limits, seen);
  Json::sax_parse(Cursor{text.data(), &seen}, Cursor{text.data() + text.size(), &seen}, &builder);
  return builder.take();
}

Json read_json_file(const std::string& path, const JsonLimits& limits) {
  return parse_json(read_file(path, limits.bytes), path, limits);
}

std::string to_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace limbeck

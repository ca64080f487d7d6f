#include "limbeck/format/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/terminal.h"

namespace limbeck {
namespace {

constexpr std::size_t kMaxRank = 8;

// https://github.com/huggingface/safetensors/blob/main/safetensors/src/tensor.rs, enum Dtype
constexpr std::string_view kOtherTypes[] = {"F4",      "F6_E2M3", "F6_E3M2",     "F8_E4M3",
                                            "F8_E5M2", "F8_E8M0", "U16",         "U32",
                                            "U64",     "C64",     "F8_E4M3FNUZ", "F8_E5M2FNUZ"};

class Handler {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  explicit Handler(std::string_view origin) : origin_(origin) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() { unexpected("null"); }
  bool boolean(bool) { unexpected("a boolean"); }
  bool number_integer(number_integer_t) { unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t& text) { unexpected("the number " + text); }
  bool binary(binary_t&) { unexpected("bytes"); }

  bool number_unsigned(number_unsigned_t value) {
    if (place_ != Place::list) unexpected("a number");
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      refuse("'{}' holds {}, which is over 2^63", field_, value);
    }
    const auto number = static_cast<std::int64_t>(value);
    if (field_ == "shape") {
      Shape& shape = header_.entries.back().shape;
      if (shape.size() == kMaxRank) refuse("has more than {} dimensions", kMaxRank);
      shape.push_back(number);
    } else {
      if (n_offsets_ == 2) refuse("'data_offsets' holds more than 2 numbers");
      (n_offsets_++ == 0 ? header_.entries.back().begin : header_.entries.back().end) = value;
    }
    return true;
  }

  bool string(string_t& value) {
    if (place_ == Place::metadata) {
      if (!header_.metadata.emplace(field_, std::move(value)).second) {
        refuse("duplicate key '{}'", safe_tty(field_));
      }
      return true;
    }
    if (place_ != Place::tensor || field_ != "dtype") unexpected("text");
    const TensorTypeInfo* found = find_safetensors_type(value);
    if (found == nullptr) {
      const bool published = std::ranges::find(kOtherTypes, value) != std::end(kOtherTypes);
      refuse_kind(published ? ErrorKind::unsupported : ErrorKind::format,
                  fmt::format("has the {} dtype '{}'", published ? "unsupported" : "unknown",
                              safe_tty(value)));
    }
    header_.entries.back().type = found->type;
    return true;
  }

  bool key(string_t& key) {
    if (place_ == Place::root) {
      name_ = std::move(key);
    } else {
      field_ = std::move(key);
      if (place_ == Place::tensor) start_field();
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (place_ == Place::outside) {
      place_ = Place::root;
    } else if (place_ != Place::root) {
      unexpected("an object");
    } else if (name_ == "__metadata__") {
      if (std::exchange(has_metadata_, true)) refuse("duplicate key");
      place_ = Place::metadata;
    } else {
      start_tensor();
    }
    return true;
  }

  bool end_object() {
    if (place_ == Place::tensor) end_tensor();
    place_ = place_ == Place::root ? Place::outside : Place::root;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ != Place::tensor || field_ == "dtype") unexpected("a list");
    place_ = Place::list;
    return true;
  }

  bool end_array() {
    place_ = Place::tensor;
    return true;
  }

  template <typename Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception& error) {
    std::string_view what = error.what();
    what.remove_prefix(std::min(what.find("] ") + 2, what.size()));
    fail(ErrorKind::format, "{}: header, byte {}: {}", origin_, position, what);
  }

 private:
  enum class Place { outside, root, metadata, tensor, list };

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> message, Args&&... args) const {
    refuse_kind(ErrorKind::format, fmt::format(message, std::forward<Args>(args)...));
  }

  [[noreturn]] void refuse_kind(ErrorKind kind, std::string_view what) const {
    fail(kind, "{}: {}'{}' {}", origin_, name_ == "__metadata__" ? "" : "tensor ", safe_tty(name_),
         what);
  }

  [[noreturn]] void unexpected(std::string_view found) const {
    switch (place_) {
      case Place::outside:
        fail(ErrorKind::format, "{}: the header must be an object, found {}", origin_, found);
      case Place::root:
        refuse("must be an object, found {}", found);
      case Place::metadata:
        refuse("'{}' must be text, found {}", safe_tty(field_), found);
      case Place::tensor:
        refuse("'{}' must be {}, found {}", field_, field_ == "dtype" ? "text" : "a list", found);
      case Place::list:
        break;
    }
    refuse("'{}' must hold whole numbers, found {}", field_, found);
  }

  void start_tensor() {
    if (header_.entries.size() == limits().safetensors_tensors) {
      refuse("is one more than {}", limits().safetensors_tensors);
    }
    if (!header_.index.emplace(name_, header_.entries.size()).second) refuse("is there twice");
    header_.entries.emplace_back().name = name_;
    n_offsets_ = seen_ = 0;
    place_ = Place::tensor;
  }

  void start_field() {
    constexpr std::string_view kFields[] = {"dtype", "shape", "data_offsets"};
    const auto* found = std::ranges::find(kFields, field_);
    if (found == std::end(kFields)) refuse("has the unknown field '{}'", safe_tty(field_));
    const unsigned bit = 1u << (found - std::begin(kFields));
    if (seen_ & bit) refuse("has '{}' twice", field_);
    seen_ |= bit;
  }

  void end_tensor() const {
    if (seen_ != 7u) refuse("needs 'dtype', 'shape' and 'data_offsets'");
    if (n_offsets_ != 2) refuse("'data_offsets' must hold 2 numbers");
  }

  std::string_view origin_;
  SafetensorsHeader header_;
  Place place_ = Place::outside;
  std::string name_, field_;
  unsigned n_offsets_ = 0, seen_ = 0;  // `seen_`: a bit per field of the tensor being read
  bool has_metadata_ = false;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, std::string_view origin) {
  Handler handler(origin);
  Json::sax_parse(json.begin(), json.end(), &handler);
  return handler.take();
}

}  // namespace limbeck

#include "limbeck/text/post_processor.h"

#include <array>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/text/text_growth.h"

namespace limbeck {
namespace {

class FrameReader {
 public:
  explicit FrameReader(const TokenizerSpec& spec) : n_(spec.size()) {}

  void add(const Json& json, const std::string& where) {
    Fields fields(json, where, ErrorKind::format);
    const std::string type = fields.required_text("type");
    if (type == "ByteLevel") return;  // it moves offsets only
    if (type == "TemplateProcessing") return add_template(fields);
    if (type == "BertProcessing" || type == "RobertaProcessing") return add_pair(fields);
    if (type == "Sequence") return add_sequence(fields);
    fail(ErrorKind::unsupported, "{}: the post-processor '{}' is not supported", where, type);
  }

  Frame take() { return std::move(frame_); }

 private:
  const Json& list(Fields& fields, std::string_view key) {
    const Json* value = fields.find(key);
    if (!value || !value->is_array()) {
      fail(ErrorKind::format, "{}: '{}' must be a list", fields.where(), key);
    }
    return *value;
  }

  TokenId token_id(const Json& id, const std::string& where) const {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 ||
        id.get<std::int64_t>() >= static_cast<std::int64_t>(n_)) {
      fail(ErrorKind::format, "{}: {} is no token id", where, to_text(id));
    }
    return id.get<TokenId>();
  }

  // "single": special tokens around one {"Sequence": {"id": "A"}}.
  void add_template(Fields& fields) {
    const Json* specials = fields.find("special_tokens");
    Frame frame;
    int n_texts = 0;
    for (const Json& item : list(fields, "single")) {
      check_steps(n_parts_++, fields.where());
      if (item.is_object() && item.contains("Sequence")) {
        ++n_texts;
        continue;
      }
      Fields part(item, fields.where() + ": single", ErrorKind::format);
      const Json* token = part.find("SpecialToken");
      if (!token) fail(ErrorKind::format, "{}: {} is no part", part.where(), to_text(item));
      Fields named(*token, part.where(), ErrorKind::format);
      const std::string name = named.required_text("id");
      const auto entry =
          specials && specials->is_object() ? specials->find(name) : Json::const_iterator();
      if (!specials || !specials->is_object() || entry == specials->end()) {
        fail(ErrorKind::format, "{}: '{}' is not among special_tokens", part.where(), name);
      }
      Fields special(*entry, fields.where() + ": special_tokens: " + name, ErrorKind::format);
      auto& side = n_texts == 0 ? frame.before : frame.after;
      for (const Json& id : list(special, "ids")) side.push_back(token_id(id, special.where()));
    }
    if (n_texts != 1) {
      fail(ErrorKind::unsupported, "{}: a template with {} texts is not supported", fields.where(),
           n_texts);
    }
    wrap(frame);
  }

  // cls text sep, each given as [piece, id].
  void add_pair(Fields& fields) {
    Frame frame;
    for (auto [key, side] : {std::pair{"cls", &frame.before}, std::pair{"sep", &frame.after}}) {
      const Json& token = list(fields, key);
      if (token.size() != 2)
        fail(ErrorKind::format, "{}: '{}' needs [piece, id]", fields.where(), key);
      side->push_back(token_id(token[1], fields.where()));
    }
    wrap(frame);
  }

  void add_sequence(Fields& fields) {
    const Json& parts = list(fields, "processors");
    for (std::size_t i = 0; i < parts.size(); ++i) {
      check_steps(n_parts_++, fields.where());
      add(parts[i], fmt::format("{}[{}]", fields.where(), i));
    }
  }

  void wrap(const Frame& outer) {
    frame_.before.insert(frame_.before.begin(), outer.before.begin(), outer.before.end());
    frame_.after.insert(frame_.after.end(), outer.after.begin(), outer.after.end());
  }

  std::size_t n_, n_parts_ = 0;
  Frame frame_;
};

}  // namespace

Frame read_frame(const TokenizerSpec& spec) {
  FrameReader reader(spec);
  if (!spec.post_processor.is_null()) {
    reader.add(spec.post_processor, spec.origin + ": post_processor");
    return reader.take();
  }
  Frame frame;
  if (spec.add_bos.value_or(false) && spec.bos) frame.before.push_back(*spec.bos);
  if (spec.add_eos.value_or(false) && spec.eos) frame.after.push_back(*spec.eos);
  return frame;
}

}  // namespace limbeck

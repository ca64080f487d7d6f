// Reads tokenizer.json, strictly: what is not understood is refused, never guessed.
// Format: the serde definitions of huggingface/tokenizers (tokenizers/src/models, .../tokenizer).
#include <unordered_map>
#include <unordered_set>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/base/limits.h"
#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {
namespace {

class Reader {
 public:
  Reader(const Json& json, std::string_view origin) : json_(json), origin_(origin) {}

  TokenizerSpec read() {
    Fields top(json_, origin_, ErrorKind::format);
    const Json* model = top.find("model");
    if (!model) fail(ErrorKind::format, "{}: 'model' is missing", origin_);
    spec_.origin = origin_;
    read_model(*model);
    if (const Json* added = top.find("added_tokens")) read_added(*added);
    for (auto [key, part] : {std::pair{"normalizer", &spec_.normalizer},
                             std::pair{"pre_tokenizer", &spec_.pre_tokenizer},
                             std::pair{"post_processor", &spec_.post_processor},
                             std::pair{"decoder", &spec_.decoder}}) {
      if (const Json* value = top.find(key)) *part = without_nulls(*value);
    }
    return std::move(spec_);
  }

 private:
  // A field that is null is one that is not there, for whoever reads the steps.
  static Json without_nulls(const Json& json) {
    if (json.is_array()) {
      Json kept = Json::array();
      for (const Json& part : json) kept.push_back(without_nulls(part));
      return kept;
    }
    if (!json.is_object()) return json;
    Json kept = Json::object();
    // Keys are unique already; looking for each would take the square of their number.
    auto& members =
        static_cast<std::vector<Json::object_t::value_type>&>(kept.get_ref<Json::object_t&>());
    for (const auto& [key, value] : json.items())
      if (!value.is_null()) members.emplace_back(key, without_nulls(value));
    return kept;
  }

  // Files older than the "type" field are told by what they hold.
  static std::string model_type(const Json& json, Fields& fields) {
    if (fields.has("type")) return fields.text("type");
    if (json.contains("merges")) return "BPE";
    if (json.contains("vocab") && json.at("vocab").is_array()) return "Unigram";
    if (json.contains("max_input_chars_per_word")) return "WordPiece";
    return "WordLevel";
  }

  void read_model(const Json& json) {
    Fields fields(json, origin_ + ": model", ErrorKind::format);
    const Json* vocabulary = fields.find("vocab");
    if (!vocabulary) fail(ErrorKind::format, "{}: 'vocab' is missing", fields.where());
    const std::string type = model_type(json, fields);
    if (type == "BPE") {
      model_.kind = ModelKind::bpe;
      read_vocabulary(*vocabulary);
      read_bpe(fields);
    } else if (type == "Unigram") {
      model_.kind = ModelKind::unigram;
      read_scores(*vocabulary);
      model_.byte_fallback = fields.flag("byte_fallback", false);
      if (fields.has("unk_id")) {
        const auto n = static_cast<std::int64_t>(model_.pieces.size());
        model_.unknown = static_cast<TokenId>(fields.integer("unk_id", 0, 0, n - 1));
      }
    } else if (type == "WordPiece") {
      model_.kind = ModelKind::word_piece;
      read_vocabulary(*vocabulary);
      model_.continuing_subword_prefix = fields.text("continuing_subword_prefix", "##");
      model_.max_word_characters =
          static_cast<int>(fields.integer("max_input_chars_per_word", 100, 1, 1 << 20));
      read_unknown(fields, "[UNK]");
    } else if (type == "WordLevel") {
      model_.kind = ModelKind::word_level;
      read_vocabulary(*vocabulary);
      read_unknown(fields, "<unk>");
    } else {
      fail(ErrorKind::unsupported, "{}: the model '{}' is not supported", origin_, type);
    }
  }

  void read_unknown(Fields& fields, std::string fallback) {
    const std::string piece = fields.text("unk_token", std::move(fallback));
    const auto found = ids_.find(piece);
    if (found != ids_.end()) model_.unknown = found->second;
  }

  void read_bpe(Fields& fields) {
    if (fields.number("dropout", 0) != 0) {
      fail(ErrorKind::unsupported, "{}: dropout is not supported (it makes ids random)",
           fields.where());
    }
    if (fields.has("unk_token")) read_unknown(fields, "");
    model_.continuing_subword_prefix = fields.text("continuing_subword_prefix");
    model_.end_of_word_suffix = fields.text("end_of_word_suffix");
    model_.fuse_unk = fields.flag("fuse_unk", false);
    model_.byte_fallback = fields.flag("byte_fallback", false);
    model_.ignore_merges = fields.flag("ignore_merges", false);
    const Json* merges = fields.find("merges");
    const bool none = merges && merges->is_object() && merges->empty();  // {} is seen for []
    if (!merges || (!merges->is_array() && !none)) {
      fail(ErrorKind::format, "{}: 'merges' must be a list", fields.where());
    }
    if (merges->size() > limits().tokenizer_merges) {
      fail(ErrorKind::format, "{}: {} merges; the limit is {}", fields.where(), merges->size(),
           limits().tokenizer_merges);
    }
    model_.merges.reserve(merges->size());
    for (const Json& merge : *merges) read_merge(merge);
  }

  // "left right" or ["left", "right"]. Where pieces hold blanks the first form can be read in
  // several ways; the one whose three pieces exist is taken, if there is just one.
  void read_merge(const Json& json) {
    constexpr std::size_t kMostBlanks = 64;  // each is a way to read it, and all of it is looked at
    std::optional<Merge> merge;
    if (json.is_string()) {
      const std::string_view text = json.get_ref<const std::string&>();
      std::size_t blanks = 0;
      for (auto blank = text.find(' '); blank != text.npos; blank = text.find(' ', blank + 1)) {
        if (++blanks > kMostBlanks) bad_merge(json, "[left, right] where pieces hold many blanks");
        const auto read = find_merge(text.substr(0, blank), text.substr(blank + 1));
        if (read && merge) bad_merge(json, "one way to read it");
        if (read) merge = read;
      }
    } else if (json.is_array() && json.size() == 2 && json[0].is_string() && json[1].is_string()) {
      merge =
          find_merge(json[0].get_ref<const std::string&>(), json[1].get_ref<const std::string&>());
    }
    if (!merge) bad_merge(json, "two pieces of the vocabulary that form a third");
    model_.merges.push_back(*merge);
  }

  std::optional<Merge> find_merge(std::string_view left, std::string_view right) {
    const std::string& prefix = model_.continuing_subword_prefix;
    if (left.empty() || right.size() <= prefix.size()) return std::nullopt;
    merged_ = left;
    merged_ += right.substr(prefix.size());
    const auto a = ids_.find(left), b = ids_.find(right), c = ids_.find(merged_);
    if (a == ids_.end() || b == ids_.end() || c == ids_.end()) return std::nullopt;
    return Merge{a->second, b->second, c->second, static_cast<std::uint32_t>(model_.merges.size())};
  }

  [[noreturn]] void bad_merge(const Json& json, std::string_view expected) const {
    fail(ErrorKind::format, "{}: model: merge {} is {}, expected {}", origin_, model_.merges.size(),
         to_text(json), expected);
  }

  void check_piece(std::string_view piece) const {
    if (piece.size() > limits().tokenizer_piece_bytes) {
      fail(ErrorKind::format, "{}: a token of {} bytes; the limit is {}", origin_, piece.size(),
           limits().tokenizer_piece_bytes);
    }
  }

  TokenId check_id(const Json& id, std::string_view piece) const {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 ||
        id.get<std::int64_t>() >= static_cast<std::int64_t>(limits().tokenizer_pieces)) {
      fail(ErrorKind::format, "{}: token '{}' has the id {}; ids are integers in [0, {})", origin_,
           piece, to_text(id), limits().tokenizer_pieces);
    }
    return id.get<TokenId>();
  }

  // {"piece": id, ...}
  void read_vocabulary(const Json& json) {
    if (!json.is_object() || json.size() > limits().tokenizer_pieces) {
      fail(ErrorKind::format, "{}: model: 'vocab' must be an object of at most {} tokens", origin_,
           limits().tokenizer_pieces);
    }
    ids_.reserve(json.size());
    for (const auto& [piece, value] : json.items()) {
      check_piece(piece);
      const TokenId id = check_id(value, piece);
      const auto at = static_cast<std::size_t>(id);
      if (at >= model_.pieces.size()) model_.pieces.resize(at + 1);
      if (model_.pieces[at]) {
        fail(ErrorKind::format, "{}: model: '{}' and '{}' have the same id {}", origin_,
             *model_.pieces[at], piece, id);
      }
      model_.pieces[at] = piece;
      ids_.emplace(piece, id);
    }
  }

  // [["piece", score], ...]
  void read_scores(const Json& json) {
    if (!json.is_array() || json.empty() || json.size() > limits().tokenizer_pieces) {
      fail(ErrorKind::format, "{}: model: 'vocab' must be a list of 1 to {} tokens", origin_,
           limits().tokenizer_pieces);
    }
    for (const Json& entry : json) {
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() ||
          !entry[1].is_number()) {
        fail(ErrorKind::format, "{}: model: vocab[{}] is {}, expected [\"piece\", score]", origin_,
             model_.pieces.size(), to_text(entry));
      }
      const auto& piece = entry[0].get_ref<const std::string&>();
      check_piece(piece);
      model_.pieces.emplace_back(piece);
      model_.scores.push_back(entry[1].get<double>());
    }
  }

  void read_added(const Json& json) {
    if (!json.is_array() || json.size() > limits().tokenizer_pieces) {
      fail(ErrorKind::format, "{}: 'added_tokens' must be a list of at most {} tokens", origin_,
           limits().tokenizer_pieces);
    }
    std::unordered_map<TokenId, std::string> seen;
    for (std::size_t i = 0; i < json.size(); ++i) {
      Fields fields(json[i], fmt::format("{}: added_tokens[{}]", origin_, i), ErrorKind::format);
      AddedToken token;
      token.content = fields.required_text("content");
      check_piece(token.content);
      token.id = static_cast<TokenId>(fields.required_integer(
          "id", 0, static_cast<std::int64_t>(limits().tokenizer_pieces) - 1));
      token.special = fields.flag("special", false);
      token.single_word = fields.flag("single_word", false);
      token.lstrip = fields.flag("lstrip", false);
      token.rstrip = fields.flag("rstrip", false);
      token.normalized = fields.flag("normalized", !token.special);
      const auto at = static_cast<std::size_t>(token.id);
      const bool in_model = at < model_.pieces.size() && model_.pieces[at];
      if ((in_model && *model_.pieces[at] != token.content) ||
          !seen.emplace(token.id, token.content).second) {
        fail(ErrorKind::format, "{}: id {} is taken: '{}' and '{}'", fields.where(), token.id,
             in_model ? *model_.pieces[at] : seen.at(token.id), token.content);
      }
      if (!token.content.empty()) spec_.added.push_back(std::move(token));
    }
  }

  const Json& json_;
  std::string origin_;
  TokenizerSpec spec_;
  ModelSpec& model_ = spec_.model;
  std::unordered_map<std::string_view, TokenId> ids_;  // views into json_
  std::string merged_;
};

}  // namespace

TokenizerSpec read_tokenizer_json(std::string_view text, std::string_view origin) {
  const Json json = parse_json(text, origin, {.bytes = limits().tokenizer_file_bytes});
  return Reader(json, origin).read();
}

}  // namespace limbeck

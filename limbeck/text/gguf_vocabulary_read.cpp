// tokenizer.ggml.* -> TokenizerSpec. The pipeline is written as a tokenizer.json would have it, so
// that one implementation runs both.
#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/base64.h"
#include "limbeck/text/gguf_vocabulary.h"
#include "limbeck/text/piece_decoder.h"
#include "limbeck/text/split_patterns.h"

namespace limbeck {
namespace {

enum StoredKind { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

class GgufVocabularyReader {
 public:
  explicit GgufVocabularyReader(const GgufReader& file) : file_(file) {}

  TokenizerSpec read() {
    spec_.origin = file_.origin();
    const std::string* kind = file_.text("tokenizer.ggml.model");
    if (!kind) {
      fail(ErrorKind::format, "{}: tokenizer.ggml.model is missing: the file has no vocabulary",
           file_.origin());
    }
    read_tokens();
    read_special_ids();
    if (*kind == "gpt2") {
      read_byte_level();
    } else if (*kind == "llama") {
      read_sentencepiece();
    } else if (*kind == "t5") {
      read_unigram();
    } else {
      fail(ErrorKind::unsupported, "{}: tokenizer.ggml.model '{}' is not supported", file_.origin(),
           *kind);
    }
    read_templates();
    return std::move(spec_);
  }

 private:
  template <typename T>
  const std::vector<T>& array(std::string_view key) const {
    const auto* values = file_.array<T>(key);
    if (!values) fail(ErrorKind::format, "{}: {} is missing", file_.origin(), key);
    return *values;
  }

  void check_length(std::string_view key, std::size_t n) const {
    if (n != model_.pieces.size()) {
      fail(ErrorKind::format, "{}: {} has {} entries for {} tokens", file_.origin(), key, n,
           model_.pieces.size());
    }
  }

  void read_tokens() {
    const auto& tokens = array<std::string>("tokenizer.ggml.tokens");
    if (tokens.empty() || tokens.size() > limits().tokenizer_pieces) {
      fail(ErrorKind::format, "{}: {} tokens; 1 to {} are allowed", file_.origin(), tokens.size(),
           limits().tokenizer_pieces);
    }
    model_.pieces.resize(tokens.size());
    ids_.reserve(tokens.size());
    for (std::size_t id = 0; id < tokens.size(); ++id) {
      const std::string& piece = tokens[id];
      if (piece.size() > limits().tokenizer_piece_bytes || !is_utf8(piece)) {
        fail(ErrorKind::format, "{}: token {} is {}", file_.origin(), id,
             piece.size() > limits().tokenizer_piece_bytes ? "too long" : "not UTF-8");
      }
      if (piece.empty()) continue;
      if (!ids_.emplace(piece, static_cast<TokenId>(id)).second) {
        fail(ErrorKind::format, "{}: tokens {} and {} are both '{}'", file_.origin(),
             ids_.at(piece), id, piece);
      }
      model_.pieces[id] = piece;
    }
    kinds_.assign(tokens.size(), kNormal);
    if (const auto* kinds = file_.array<std::int32_t>("tokenizer.ggml.token_type")) {
      check_length("tokenizer.ggml.token_type", kinds->size());
      kinds_ = *kinds;
    }
    for (std::size_t id = 0; id < kinds_.size(); ++id) {
      const bool special = kinds_[id] == kControl || kinds_[id] == kUnknown;
      if (!model_.pieces[id] || (!special && kinds_[id] != kUserDefined)) continue;
      AddedToken added;
      added.id = static_cast<TokenId>(id);
      added.content = *model_.pieces[id];
      added.special = special;
      spec_.added.push_back(std::move(added));
    }
  }

  // Ids out of range mean "none" (files write 0xffffffff).
  std::optional<TokenId> special_id(std::string_view name) const {
    const auto id = file_.integer("tokenizer.ggml." + std::string(name) + "_token_id");
    if (!id || *id < 0 || *id >= static_cast<std::int64_t>(model_.pieces.size())) {
      return std::nullopt;
    }
    return model_.pieces[static_cast<std::size_t>(*id)] ? std::optional(static_cast<TokenId>(*id))
                                                        : std::nullopt;
  }

  void read_special_ids() {
    spec_.bos = special_id("bos");
    spec_.eos = special_id("eos");
    spec_.pad = special_id("padding");
    spec_.unknown = special_id("unknown");
    for (const char* name : {"eot", "eom"}) {
      if (const auto id = special_id(name)) spec_.stops.push_back(*id);
    }
  }

  // The token of this id if there is one of the kind: what a model takes without being told.
  std::optional<TokenId> usual(TokenId id, int kind) const {
    const auto at = static_cast<std::size_t>(id);
    if (at >= kinds_.size() || kinds_[at] != kind) return std::nullopt;
    return id;
  }

  // add_bos_token, add_eos_token, and the model's habit where they are missing.
  void set_frame(bool add_bos, bool add_eos) {
    spec_.add_bos = file_.flag("tokenizer.ggml.add_bos_token").value_or(add_bos);
    spec_.add_eos = file_.flag("tokenizer.ggml.add_eos_token").value_or(add_eos);
    Json single = Json::array(), tokens = Json::object();
    const auto token = [&](std::optional<TokenId> id) {
      const std::string& piece = *model_.pieces[static_cast<std::size_t>(*id)];
      tokens[piece] = {
          {"id", piece}, {"ids", Json::array({*id})}, {"tokens", Json::array({piece})}};
      single.push_back({{"SpecialToken", {{"id", piece}, {"type_id", 0}}}});
    };
    if (*spec_.add_bos && spec_.bos) token(spec_.bos);
    single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
    if (*spec_.add_eos && spec_.eos) token(spec_.eos);
    Json pair = single;
    pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
    if (single.size() > 1) {
      spec_.post_processor = {{"type", "TemplateProcessing"},
                              {"single", std::move(single)},
                              {"pair", std::move(pair)},
                              {"special_tokens", std::move(tokens)}};
    }
  }

  void read_merges() {
    const auto& merges = array<std::string>("tokenizer.ggml.merges");
    if (merges.size() > limits().tokenizer_merges) {
      fail(ErrorKind::format, "{}: {} merges; the limit is {}", file_.origin(), merges.size(),
           limits().tokenizer_merges);
    }
    for (const std::string& merge : merges) {
      const auto blank = merge.find(' ', 1);
      const auto left = ids_.find(merge.substr(0, blank));
      const auto right = blank == merge.npos ? ids_.end() : ids_.find(merge.substr(blank + 1));
      const bool known = left != ids_.end() && right != ids_.end();
      const auto result = known ? ids_.find(std::string(left->first) += right->first) : ids_.end();
      if (result == ids_.end()) {
        fail(ErrorKind::format, "{}: merge {} ('{}') names or makes no token", file_.origin(),
             model_.merges.size(), merge);
      }
      model_.merges.push_back({left->second, right->second, result->second,
                               static_cast<std::uint32_t>(model_.merges.size())});
    }
  }

  void read_byte_level() {
    model_.kind = ModelKind::bpe;
    const std::string* pre = file_.text("tokenizer.ggml.pre");
    const auto recipe = find_split_recipe(pre ? *pre : "default");
    if (!recipe) {
      fail(ErrorKind::unsupported, "{}: tokenizer.ggml.pre '{}' is not supported", file_.origin(),
           *pre);
    }
    read_merges();
    model_.ignore_merges = recipe->ignore_merges;
    spec_.pre_tokenizer = recipe->pre_tokenizer;
    spec_.decoder = {{"type", "ByteLevel"},
                     {"add_prefix_space", true},
                     {"trim_offsets", true},
                     {"use_regex", true}};
    set_frame(recipe->add_bos, false);
  }

  static Json replace(std::string_view from, std::string_view to) {
    return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  }

  // SentencePiece's BPE: the best-scored piece that two neighbours form merges first. Written as
  // merges: every way to cut a piece in two, ranked by the piece's score.
  void read_sentencepiece() {
    model_.kind = ModelKind::bpe;
    if (!spec_.bos) spec_.bos = usual(1, kControl);
    if (!spec_.eos) spec_.eos = usual(2, kControl);
    if (!spec_.unknown) spec_.unknown = usual(0, kUnknown);
    model_.unknown = spec_.unknown;
    model_.byte_fallback = true;
    model_.fuse_unk = true;
    if (file_.value("tokenizer.ggml.merges")) {
      read_merges();  // written beside the scores where they say more
    } else {
      merges_from_scores();
    }
    const bool prefix = file_.flag("tokenizer.ggml.add_space_prefix").value_or(true);
    Json steps = Json::array(), decoders = Json::array();
    if (prefix) steps.push_back({{"type", "Prepend"}, {"prepend", "\u2581"}});
    steps.push_back(replace(" ", "\u2581"));
    spec_.normalizer = {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
    decoders.push_back(replace("\u2581", " "));
    decoders.push_back({{"type", "ByteFallback"}});
    decoders.push_back({{"type", "Fuse"}});
    if (prefix) {
      decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    spec_.decoder = {{"type", "Sequence"}, {"decoders", std::move(decoders)}};
    set_frame(true, false);
  }

  const std::vector<float>& scores() const {
    const auto& values = array<float>("tokenizer.ggml.scores");
    check_length("tokenizer.ggml.scores", values.size());
    for (std::size_t id = 0; id < values.size(); ++id) {
      if (!std::isfinite(values[id])) {
        fail(ErrorKind::numeric, "{}: the score of token {} is {}", file_.origin(), id, values[id]);
      }
    }
    return values;
  }

  bool is_text(std::size_t id) const {
    const int kind = kinds_[id];
    return model_.pieces[id] && (kind == kNormal || kind == kUserDefined || kind == kUnused);
  }

  void merges_from_scores() {
    const auto& score = scores();
    std::map<float, std::uint32_t, std::greater<>> ranks;  // equal scores, equal ranks
    for (const float s : score) ranks.emplace(s, 0);
    std::uint32_t next = 0;
    for (auto& [s, rank] : ranks) rank = next++;
    for (std::size_t id = 0; id < model_.pieces.size(); ++id) {
      if (is_text(id)) cut(id, ranks.at(score[id]));
    }
    // The order of a converted tokenizer.json: by rank, then by the lengths of the parts.
    const auto length = [&](TokenId id) {
      return model_.pieces[static_cast<std::size_t>(id)]->size();
    };
    std::ranges::stable_sort(model_.merges, [&](const Merge& a, const Merge& b) {
      return std::tuple(a.rank, length(b.left), length(b.right)) <
             std::tuple(b.rank, length(a.left), length(a.right));
    });
  }

  void cut(std::size_t id, std::uint32_t rank) {
    constexpr std::size_t kMostTried = std::size_t{1} << 30;  // bytes; a second's work
    const std::string_view piece = *model_.pieces[id];
    for (std::size_t i = code_point_at(piece, 0).bytes; i < piece.size();
         i += code_point_at(piece, i).bytes) {
      if ((tried_ += piece.size()) > kMostTried) {
        fail(ErrorKind::format,
             "{}: tokens this long have too many ways to be cut: tokenizer.ggml.merges is needed",
             file_.origin());
      }
      const auto left = ids_.find(piece.substr(0, i)), right = ids_.find(piece.substr(i));
      if (left == ids_.end() || right == ids_.end()) continue;
      if (!is_text(static_cast<std::size_t>(left->second)) ||
          !is_text(static_cast<std::size_t>(right->second))) {
        continue;
      }
      if (model_.merges.size() == limits().tokenizer_merges) {
        fail(ErrorKind::format, "{}: the pieces can be cut in more than {} ways", file_.origin(),
             limits().tokenizer_merges);
      }
      model_.merges.push_back({left->second, right->second, static_cast<TokenId>(id), rank});
    }
  }

  void read_unigram() {
    model_.kind = ModelKind::unigram;
    if (!spec_.eos) spec_.eos = usual(1, kControl);
    if (!spec_.pad) spec_.pad = usual(0, kControl);
    if (!spec_.unknown) spec_.unknown = usual(2, kUnknown);
    model_.unknown = spec_.unknown;
    const auto& score = scores();
    model_.scores.assign(score.begin(), score.end());
    for (std::size_t id = 0; id < kinds_.size(); ++id) {
      if (kinds_[id] == kUserDefined) model_.scores[id] = 0;
    }
    std::string charsmap;
    if (const auto* bytes = file_.array<std::uint8_t>("tokenizer.ggml.precompiled_charsmap")) {
      charsmap.assign(bytes->begin(), bytes->end());
    } else if (const auto* signed_bytes =
                   file_.array<std::int8_t>("tokenizer.ggml.precompiled_charsmap")) {
      charsmap.assign(signed_bytes->begin(), signed_bytes->end());
    }
    if (!charsmap.empty()) {
      spec_.normalizer = {{"type", "Precompiled"}, {"precompiled_charsmap", to_base64(charsmap)}};
    }
    const bool prefix = file_.flag("tokenizer.ggml.add_space_prefix").value_or(false);
    const bool merge = file_.flag("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
    const Json metaspace = {{"type", "Metaspace"},
                            {"replacement", "\u2581"},
                            {"prepend_scheme", prefix || merge ? "always" : "never"},
                            {"split", true}};
    spec_.pre_tokenizer = metaspace;
    if (merge) {
      spec_.pre_tokenizer = {{"type", "Sequence"},
                             {"pretokenizers", Json::array({split_at_blanks(), metaspace})}};
    }
    spec_.decoder = metaspace;
    set_frame(false, true);
  }

  void read_templates() {
    constexpr std::string_view kKey = "tokenizer.chat_template";
    for (const auto& [key, value] : file_.metadata()) {
      if (!key.starts_with(kKey) || !std::holds_alternative<std::string>(value)) continue;
      std::string_view name = std::string_view(key).substr(kKey.size());
      if (!name.empty() && name[0] != '.') continue;
      if (!name.empty()) name.remove_prefix(1);
      spec_.chat_templates.emplace_back(name, std::get<std::string>(value));
    }
  }

  const GgufReader& file_;
  TokenizerSpec spec_;
  ModelSpec& model_ = spec_.model;
  std::vector<std::int32_t> kinds_;
  std::size_t tried_ = 0;  // bytes of the pieces that were cut, each cut counted
  std::unordered_map<std::string_view, TokenId> ids_;  // views into the file's metadata
};

}  // namespace

Json split_at_blanks() {
  return {{"type", "Split"},
          {"pattern", {{"String", " "}}},
          {"behavior", "Removed"},
          {"invert", false}};
}

TokenizerSpec read_gguf_vocabulary(const GgufReader& file) {
  return GgufVocabularyReader(file).read();
}

}  // namespace limbeck

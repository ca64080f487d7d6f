// TokenizerSpec -> tokenizer.ggml.*
#include <algorithm>
#include <unordered_set>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/text/base64.h"
#include "limbeck/text/gguf_vocabulary.h"
#include "limbeck/text/piece_decoder.h"
#include "limbeck/text/post_processor.h"
#include "limbeck/text/split_patterns.h"

namespace limbeck {
namespace {

class GgufVocabularyWriter {
 public:
  GgufVocabularyWriter(const TokenizerSpec& spec, std::span<const TokenKind> kinds)
      : spec_(spec), model_(spec.model), kinds_(kinds) {}

  GgufMetadata write() {
    switch (model_.kind) {
      case ModelKind::bpe:
        model_.byte_fallback ? write_sentencepiece() : write_byte_level();
        break;
      case ModelKind::unigram:
        write_unigram();
        break;
      case ModelKind::word_piece:
      case ModelKind::word_level:
        unsupported("a vocabulary of whole words");
    }
    write_special_ids();
    for (const auto& [name, source] : spec_.chat_templates) {
      put(name.empty() ? "tokenizer.chat_template" : "tokenizer.chat_template." + name, source);
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorKind::unsupported, "{}: GGUF vocabularies cannot express {}", spec_.origin, what);
  }

  void put(std::string key, GgufValue value) {
    out_.emplace_back(std::move(key), std::move(value));
  }

  // The kinds of a normalizer or pre-tokenizer, sequences flattened.
  static void types_of(const Json& json, std::vector<const Json*>& out) {
    if (json.is_null()) return;
    if (json.at("type") != "Sequence") return out.push_back(&json);
    for (const char* list : {"normalizers", "pretokenizers"})
      if (json.contains(list))
        for (const Json& part : json.at(list)) types_of(part, out);
  }

  static int stored_kind(TokenKind kind) {
    switch (kind) {
      case TokenKind::normal:
        return 1;
      case TokenKind::unknown:
        return 2;
      case TokenKind::control:
        return 3;
      case TokenKind::user_defined:
        return 4;
      case TokenKind::unused:
        return 5;
      case TokenKind::byte:
        return 6;
    }
    return 1;
  }

  void write_tokens() {
    const std::size_t n = spec_.size();
    std::vector<std::string> pieces(n);
    std::vector<std::int32_t> kinds(n);
    for (std::size_t id = 0; id < n; ++id) {
      pieces[id] = fmt::format("[PAD{}]", id);  // a hole; names must differ
      if (id < model_.pieces.size() && model_.pieces[id]) pieces[id] = *model_.pieces[id];
      kinds[id] = stored_kind(kinds_[id]);
    }
    for (const AddedToken& token : spec_.added) {
      pieces[static_cast<std::size_t>(token.id)] = token.content;
    }
    put("tokenizer.ggml.tokens", std::move(pieces));
    put("tokenizer.ggml.token_type", std::move(kinds));
  }

  void write_merges() {
    std::vector<std::string> merges;
    merges.reserve(model_.merges.size());
    for (const Merge& merge : model_.merges) {
      const auto& left = *model_.pieces[static_cast<std::size_t>(merge.left)];
      const auto& right = *model_.pieces[static_cast<std::size_t>(merge.right)];
      if (left.find(' ', 1) != left.npos) unsupported("a merge of pieces with blanks");
      merges.push_back(left + " " + right);
    }
    put("tokenizer.ggml.merges", std::move(merges));
  }

  void write_byte_level() {
    std::vector<const Json*> normalizers;
    types_of(spec_.normalizer, normalizers);
    for (const Json* step : normalizers) {  // NFC: what llama.cpp leaves to whoever writes the text
      if (step->value("type", "") != "NFC") unsupported("the normalizer " + to_text(*step));
    }
    if (!model_.continuing_subword_prefix.empty() || !model_.end_of_word_suffix.empty()) {
      unsupported("word prefixes and suffixes");
    }
    const auto pre = name_split_recipe(spec_.pre_tokenizer, model_.ignore_merges);
    if (!pre) unsupported("the pre-tokenizer " + to_text(spec_.pre_tokenizer));
    put("tokenizer.ggml.model", std::string("gpt2"));
    put("tokenizer.ggml.pre", *pre);
    write_tokens();
    write_merges();
  }

  // "\u2581" for blanks, by a normalizer or by Metaspace; is it also put first?
  bool marks_blanks() const {
    std::vector<const Json*> steps;
    types_of(spec_.normalizer, steps);
    types_of(spec_.pre_tokenizer, steps);
    bool replaced = false, prefix = false;
    for (const Json* step : steps) {
      const std::string type = step->value("type", "");
      if (type == "Replace" &&
          *step ==
              Json{{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}) {
        replaced = true;
      } else if (type == "Prepend" && step->value("prepend", "") == "\u2581") {
        prefix = true;
      } else if (type == "Metaspace" && step->value("replacement", "\u2581") == "\u2581") {
        replaced = true;
        prefix = step->value("prepend_scheme", "always") != "never" &&
                 step->value("add_prefix_space", true);
      } else {
        unsupported("the step " + to_text(*step));
      }
    }
    if (!replaced) unsupported("a SentencePiece-like vocabulary whose blanks are not marked");
    return prefix;
  }

  // Scores that order the pieces as the merges do: the earlier a piece can be made, the higher.
  // Pieces whose merges interleave had equal scores once, and get equal ones here; `ties` says if
  // there are any.
  std::vector<float> scores_from_merges(bool& ties) const {
    std::vector<std::size_t> last(spec_.size());  // merge that makes it
    for (std::size_t i = 0; i < model_.merges.size(); ++i) {
      last[static_cast<std::size_t>(model_.merges[i].result)] = i;
    }
    std::vector<float> scores(spec_.size(), 0.0f);
    float score = -1;
    std::size_t end = 0;  // of the block of merges that share a score
    TokenId first = -1;   // the piece that opened it
    ties = false;
    for (std::size_t i = 0; i < model_.merges.size(); ++i) {
      const auto id = static_cast<std::size_t>(model_.merges[i].result);
      if (i > end) score -= 1;
      if (i == 0 || i > end) first = model_.merges[i].result;
      ties |= model_.merges[i].result != first;
      end = std::max(end, last[id]);
      scores[id] = score;
    }
    return scores;
  }

  // Readers of scores merge whatever two pieces form a third. Do the merges name every such pair?
  // No, where pieces are so long that trying would take more than a second.
  bool names_all_pairs() const {
    constexpr std::size_t kMostTried = std::size_t{1} << 30;  // bytes
    std::size_t tried = 0;
    std::unordered_set<std::string_view> texts;
    for (std::size_t id = 0; id < model_.pieces.size(); ++id) {
      const bool text = kinds_[id] == TokenKind::normal || kinds_[id] == TokenKind::user_defined;
      if (text && model_.pieces[id]) texts.insert(*model_.pieces[id]);
    }
    std::size_t pairs = 0;
    for (const std::string_view piece : texts) {
      if ((tried += piece.size() * piece.size()) > kMostTried) return false;
      for (std::size_t i = 1; i < piece.size(); ++i) {
        pairs += texts.contains(piece.substr(0, i)) && texts.contains(piece.substr(i));
      }
    }
    return pairs == model_.merges.size();
  }

  void write_sentencepiece() {
    const bool prefix = marks_blanks();
    put("tokenizer.ggml.model", std::string("llama"));
    put("tokenizer.ggml.pre", std::string("default"));
    write_tokens();
    bool ties = false;
    put("tokenizer.ggml.scores", scores_from_merges(ties));
    if (!names_all_pairs()) {
      say("note: this vocabulary merges fewer pairs than its pieces allow; the GGUF file keeps the "
          "merges for limbeck, but llama.cpp goes by scores and may cut some words otherwise");
      write_merges();
    } else if (ties && !has_blanks()) {
      write_merges();  // they order what scores leave open
    }
    put("tokenizer.ggml.add_space_prefix", prefix);
  }

  bool has_blanks() const {
    return std::ranges::any_of(model_.pieces, [](const auto& piece) {
      return piece && piece->find(' ') != std::string::npos;
    });
  }

  void write_unigram() {
    std::vector<const Json*> steps;
    types_of(spec_.normalizer, steps);
    std::string charsmap;
    for (const Json* step : steps) {
      if (step->value("type", "") != "Precompiled") unsupported("the step " + to_text(*step));
      charsmap = from_base64(step->at("precompiled_charsmap").get<std::string>()).value_or("");
    }
    steps.clear();
    types_of(spec_.pre_tokenizer, steps);
    bool merge = false, prefix = false;
    for (const Json* step : steps) {
      const std::string type = step->value("type", "");
      if (type == "WhitespaceSplit" || *step == split_at_blanks()) {
        merge = true;
      } else if (type == "Metaspace") {
        prefix = step->value("prepend_scheme", "always") != "never" &&
                 step->value("add_prefix_space", true);
      } else {
        unsupported("the step " + to_text(*step));
      }
    }
    put("tokenizer.ggml.model", std::string("t5"));
    put("tokenizer.ggml.pre", std::string("default"));
    write_tokens();
    std::vector<float> scores(spec_.size(), 0.0f);
    std::ranges::transform(model_.scores, scores.begin(),
                           [](double s) { return static_cast<float>(s); });
    put("tokenizer.ggml.scores", std::move(scores));
    put("tokenizer.ggml.add_space_prefix", prefix);
    put("tokenizer.ggml.remove_extra_whitespaces", merge);
    if (!charsmap.empty()) {
      put("tokenizer.ggml.precompiled_charsmap",
          std::vector<std::uint8_t>(charsmap.begin(), charsmap.end()));
    }
  }

  void write_special_ids() {
    const auto id = [&](const char* name, std::optional<TokenId> token) {
      if (token)
        put(fmt::format("tokenizer.ggml.{}_token_id", name), static_cast<std::uint32_t>(*token));
    };
    const Frame frame = read_frame(spec_);
    if (frame.before.size() > 1 || frame.after.size() > 1) {
      unsupported("more than one token before or after a text");
    }
    auto bos = spec_.bos, eos = spec_.eos;
    if (!frame.before.empty()) bos = frame.before[0];
    if (!frame.after.empty()) eos = frame.after[0];
    id("bos", bos);
    id("eos", eos);
    id("padding", spec_.pad);
    id("unknown", spec_.unknown ? spec_.unknown : model_.unknown);
    put("tokenizer.ggml.add_bos_token", !frame.before.empty());
    put("tokenizer.ggml.add_eos_token", !frame.after.empty());
  }

  const TokenizerSpec& spec_;
  const ModelSpec& model_;
  std::span<const TokenKind> kinds_;
  GgufMetadata out_;
};

}  // namespace

GgufMetadata write_gguf_vocabulary(const TokenizerSpec& spec, std::span<const TokenKind> kinds) {
  return GgufVocabularyWriter(spec, kinds).write();
}

}  // namespace limbeck

// Writes tokenizer.json. Vocabulary and merges are written by hand: as trees they would cost
// hundreds of bytes a token.
#include <algorithm>

#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {
namespace {

std::string in_quotes(std::string_view text) { return to_text(Json(text)); }

Json added_tokens(const TokenizerSpec& spec) {
  std::vector<AddedToken> added = spec.added;
  std::ranges::sort(added, {}, &AddedToken::id);
  Json list = Json::array();
  for (const AddedToken& token : added) {
    list.push_back({{"id", token.id},
                    {"content", token.content},
                    {"single_word", token.single_word},
                    {"lstrip", token.lstrip},
                    {"rstrip", token.rstrip},
                    {"normalized", token.normalized},
                    {"special", token.special}});
  }
  return list;
}

// {"piece": id, ...} in order of id.
void append_vocabulary(std::string& out, const ModelSpec& model) {
  out += "{";
  bool first = true;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    if (!model.pieces[id]) continue;
    out += first ? "\n" : ",\n";
    first = false;
    out += "      " + in_quotes(*model.pieces[id]) + ": " + std::to_string(id);
  }
  out += "\n    }";
}

// [["piece", score], ...]; the list has no holes, so an id without a piece gets one that no text
// has.
void append_scores(std::string& out, const ModelSpec& model) {
  out += "[";
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const std::string piece =
        model.pieces[id] ? *model.pieces[id] : "<unused_" + std::to_string(id) + ">";
    out += id == 0 ? "\n" : ",\n";
    out += "      [" + in_quotes(piece) + ", " + to_text(Json(model.scores[id])) + "]";
  }
  out += "\n    ]";
}

// ["left right", ...], or [["left", "right"], ...] where a piece holds a blank.
void append_merges(std::string& out, const ModelSpec& model) {
  const auto has_blank = [](const auto& piece) {
    return piece && piece->find(' ') != std::string::npos;
  };
  const bool lists = std::ranges::any_of(model.pieces, has_blank);
  out += "[";
  bool first = true;
  for (const Merge& merge : model.merges) {
    const auto& left = *model.pieces[static_cast<std::size_t>(merge.left)];
    const auto& right = *model.pieces[static_cast<std::size_t>(merge.right)];
    out += first ? "\n      " : ",\n      ";
    first = false;
    out += lists ? "[" + in_quotes(left) + ", " + in_quotes(right) + "]"
                 : in_quotes(left + " " + right);
  }
  out += "\n    ]";
}

// The fields of "model" beside the vocabulary and the merges.
Json settings(const ModelSpec& model) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? Json() : Json(text);
  };
  Json unknown;
  if (model.unknown) unknown = *model.pieces[static_cast<std::size_t>(*model.unknown)];
  switch (model.kind) {
    case ModelKind::bpe:
      return {{"type", "BPE"},
              {"dropout", nullptr},
              {"unk_token", unknown},
              {"continuing_subword_prefix", text_or_null(model.continuing_subword_prefix)},
              {"end_of_word_suffix", text_or_null(model.end_of_word_suffix)},
              {"fuse_unk", model.fuse_unk},
              {"byte_fallback", model.byte_fallback},
              {"ignore_merges", model.ignore_merges}};
    case ModelKind::unigram:
      return {{"type", "Unigram"},
              {"unk_id", model.unknown ? Json(*model.unknown) : Json()},
              {"byte_fallback", model.byte_fallback}};
    case ModelKind::word_piece:
      return {{"type", "WordPiece"},
              {"unk_token", unknown},
              {"continuing_subword_prefix", model.continuing_subword_prefix},
              {"max_input_chars_per_word", model.max_word_characters}};
    case ModelKind::word_level:
      return {{"type", "WordLevel"}, {"unk_token", unknown}};
  }
  return {};
}

}  // namespace

std::size_t TokenizerSpec::size() const {
  std::size_t n = model.pieces.size();
  for (const AddedToken& token : added) n = std::max(n, static_cast<std::size_t>(token.id) + 1);
  return n;
}

std::string write_tokenizer_json(const TokenizerSpec& spec) {
  std::string out = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null";
  out += ",\n  \"added_tokens\": " + to_text(added_tokens(spec));
  out += ",\n  \"normalizer\": " + to_text(spec.normalizer);
  out += ",\n  \"pre_tokenizer\": " + to_text(spec.pre_tokenizer);
  out += ",\n  \"post_processor\": " + to_text(spec.post_processor);
  out += ",\n  \"decoder\": " + to_text(spec.decoder);
  out += ",\n  \"model\": {";
  const Json fields = settings(spec.model);
  for (const auto& [key, value] : fields.items()) {
    out += "\n    " + in_quotes(key) + ": " + to_text(value) + ",";
  }
  out += "\n    \"vocab\": ";
  if (spec.model.kind == ModelKind::unigram) {
    append_scores(out, spec.model);
  } else {
    append_vocabulary(out, spec.model);
  }
  if (spec.model.kind == ModelKind::bpe) {
    out += ",\n    \"merges\": ";
    append_merges(out, spec.model);
  }
  return out + "\n  }\n}\n";
}

}  // namespace limbeck

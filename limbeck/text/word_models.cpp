// WordPiece (greedy, longest first) and WordLevel (whole words), as huggingface/tokenizers does.
#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/token_model.h"

namespace limbeck {
namespace {

class WordModel : public TokenModel {
 public:
  WordModel(const ModelSpec& spec, const std::vector<bool>& control)
      : spec_(spec), control_(control), index_(index_of(spec)) {}

 protected:
  std::optional<TokenId> find(std::string_view piece, bool trusted) const {
    const auto found = index_.find(piece);
    if (found == index_.end()) return std::nullopt;
    if (!trusted && control_[static_cast<std::size_t>(found->second)]) return std::nullopt;
    return found->second;
  }

  TokenId unknown(std::string_view word) const {
    if (!spec_.unknown) {
      fail(ErrorKind::format, "the vocabulary has neither '{}' nor an unknown token", word);
    }
    return *spec_.unknown;
  }

  const ModelSpec& spec_;
  const std::vector<bool>& control_;
  PieceIndex index_;
};

class WordLevel : public WordModel {
 public:
  using WordModel::WordModel;
  void encode(std::string_view word, bool trusted, std::vector<TokenId>& out) const override {
    const auto id = find(word, trusted);
    out.push_back(id ? *id : unknown(word));
  }
};

class WordPiece : public WordModel {
 public:
  using WordModel::WordModel;
  void encode(std::string_view word, bool trusted, std::vector<TokenId>& out) const override {
    std::vector<std::size_t> ends;  // of the characters
    for (std::size_t i = 0; i < word.size();) ends.push_back(i += code_point_at(word, i).bytes);
    std::vector<TokenId> ids;
    const bool too_long = ends.size() > static_cast<std::size_t>(spec_.max_word_characters);
    std::size_t begin = 0;
    while (!too_long && begin < word.size()) {
      const std::size_t next = longest(word, begin, ends, trusted, ids);
      if (next == begin) break;
      begin = next;
    }
    if (begin < word.size()) ids.assign(1, unknown(word));  // nothing of it is kept
    out.insert(out.end(), ids.begin(), ids.end());
  }

 private:
  // Appends the longest piece at `begin`; returns its end, or `begin` if there is none.
  std::size_t longest(std::string_view word, std::size_t begin,
                      const std::vector<std::size_t>& ends, bool trusted,
                      std::vector<TokenId>& ids) const {
    std::string piece;
    for (auto end = ends.rbegin(); end != ends.rend() && *end > begin; ++end) {
      piece = begin == 0 ? "" : spec_.continuing_subword_prefix;
      piece += word.substr(begin, *end - begin);
      if (const auto id = find(piece, trusted)) {
        ids.push_back(*id);
        return *end;
      }
    }
    return begin;
  }
};

}  // namespace

std::unique_ptr<TokenModel> make_word_piece(const ModelSpec& spec,
                                            const std::vector<bool>& control) {
  return std::make_unique<WordPiece>(spec, control);
}

std::unique_ptr<TokenModel> make_word_level(const ModelSpec& spec,
                                            const std::vector<bool>& control) {
  return std::make_unique<WordLevel>(spec, control);
}

}  // namespace limbeck

// WordPiece (greedy, longest first) and WordLevel (whole words), as huggingface/tokenizers does.
#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/byte_trie.h"
#include "limbeck/text/token_model.h"

namespace limbeck {
namespace {

class WordModel : public TokenModel {
 public:
  WordModel(const ModelSpec& spec, const std::vector<bool>& control)
      : spec_(spec), control_(control) {}

 protected:
  bool allowed(TokenId id, bool trusted) const {
    return trusted || !control_[static_cast<std::size_t>(id)];
  }

  TokenId unknown(std::string_view word) const {
    if (!spec_.unknown) {
      fail(ErrorKind::format, "the vocabulary has neither '{}' nor an unknown token", word);
    }
    return *spec_.unknown;
  }

  const ModelSpec& spec_;
  const std::vector<bool>& control_;
};

class WordLevel : public WordModel {
 public:
  WordLevel(const ModelSpec& spec, const std::vector<bool>& control)
      : WordModel(spec, control), index_(index_of(spec)) {}

  void encode(std::string_view word, bool trusted, std::vector<TokenId>& out) const override {
    const auto found = index_.find(word);
    const bool known = found != index_.end() && allowed(found->second, trusted);
    out.push_back(known ? found->second : unknown(word));
  }

 private:
  PieceIndex index_;
};

class WordPiece : public WordModel {
 public:
  WordPiece(const ModelSpec& spec, const std::vector<bool>& control) : WordModel(spec, control) {
    std::vector<std::pair<std::string_view, std::int32_t>> whole, rest;
    for (std::size_t id = 0; id < spec.pieces.size(); ++id) {
      if (!spec.pieces[id] || spec.pieces[id]->empty()) continue;
      std::string_view piece = *spec.pieces[id];
      whole.emplace_back(piece, static_cast<std::int32_t>(id));
      if (!piece.starts_with(spec.continuing_subword_prefix)) continue;
      piece.remove_prefix(spec.continuing_subword_prefix.size());
      if (!piece.empty()) rest.emplace_back(piece, static_cast<std::int32_t>(id));
    }
    first_ = ByteTrie(std::move(whole));
    next_ = ByteTrie(std::move(rest));
  }

  void encode(std::string_view word, bool trusted, std::vector<TokenId>& out) const override {
    std::size_t n_characters = 0;
    for (std::size_t i = 0; i < word.size(); ++n_characters) i += code_point_at(word, i).bytes;
    std::vector<TokenId> ids;
    const bool too_long = n_characters > static_cast<std::size_t>(spec_.max_word_characters);
    std::size_t begin = 0;
    while (!too_long && begin < word.size()) {
      const std::size_t next = longest(word, begin, trusted, ids);
      if (next == begin) break;
      begin = next;
    }
    if (begin < word.size()) ids.assign(1, unknown(word));  // nothing of it is kept
    out.insert(out.end(), ids.begin(), ids.end());
  }

 private:
  // Appends the longest piece at `begin`; returns its end, or `begin` if there is none.
  std::size_t longest(std::string_view word, std::size_t begin, bool trusted,
                      std::vector<TokenId>& ids) const {
    std::size_t end = begin;
    TokenId best = 0;
    (begin == 0 ? first_ : next_).each_prefix(word, begin, [&](std::size_t n, std::int32_t id) {
      if (!allowed(id, trusted)) return;
      end = begin + n;
      best = id;
    });
    if (end > begin) ids.push_back(best);
    return end;
  }

  ByteTrie first_, next_;  // the pieces, and those that go on, without their prefix
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

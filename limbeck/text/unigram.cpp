// Unigram: the segmentation of highest probability (Kudo 2018, 1804.10959), found as
// huggingface/tokenizers does (tokenizers/src/models/unigram/model.rs: encode_optimized).
#include <algorithm>
#include <limits>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/byte_trie.h"
#include "limbeck/text/token_model.h"

namespace limbeck {
namespace {

constexpr double kUnknownPenalty = 10;  // nats under the least likely piece

class Unigram : public TokenModel {
 public:
  Unigram(const ModelSpec& spec, const std::vector<bool>& control)
      : spec_(spec), control_(control), byte_tokens_(spec) {
    std::vector<std::pair<std::string_view, std::int32_t>> keys;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t id = 0; id < spec.pieces.size(); ++id) {
      if (!spec.pieces[id] || spec.pieces[id]->empty()) continue;
      keys.emplace_back(*spec.pieces[id], static_cast<std::int32_t>(id));
      least = std::min(least, spec.scores[id]);
    }
    unknown_score_ = least - kUnknownPenalty;
    trie_ = ByteTrie(std::move(keys));
  }

  void encode(std::string_view word, bool trusted, std::vector<TokenId>& out) const override {
    std::vector<Node> nodes(word.size() + 1);  // the best way to reach each byte
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t character = code_point_at(word, at).bytes;
      const double score = nodes[at].score;
      bool whole_character = false;  // is the character itself a piece?
      trie_.each_prefix(word, at, [&](std::size_t length, std::int32_t id) {
        if (!trusted && control_[static_cast<std::size_t>(id)]) return;
        reach(nodes[at + length], score + spec_.scores[static_cast<std::size_t>(id)], at, id);
        whole_character |= length == character;
      });
      if (!whole_character) reach(nodes[at + character], score + unknown_score_, at, kUnknown);
      at += character;
    }
    append_path(word, nodes, out);
  }

 private:
  static constexpr TokenId kUnknown = -1;
  static constexpr std::size_t kUnreached = ~std::size_t{0};
  struct Node {
    double score = 0;
    std::size_t from = kUnreached;
    TokenId id = kUnknown;
  };

  static void reach(Node& node, double score, std::size_t from, TokenId id) {
    if (node.from == kUnreached || score > node.score) node = {score, from, id};
  }

  bool is_unknown(TokenId id) const { return id == kUnknown || id == spec_.unknown; }

  // Neighbouring unknown characters are one stretch: one unknown token, or its bytes.
  void append_path(std::string_view word, const std::vector<Node>& nodes,
                   std::vector<TokenId>& out) const {
    std::vector<std::pair<std::size_t, std::size_t>> path;  // from, to; last first
    for (std::size_t at = word.size(); at > 0; at = nodes[at].from)
      path.emplace_back(nodes[at].from, at);
    for (std::size_t i = path.size(); i-- > 0;) {
      const TokenId id = nodes[path[i].second].id;
      if (!is_unknown(id)) {
        out.push_back(id);
        continue;
      }
      const std::size_t begin = path[i].first;
      while (i > 0 && is_unknown(nodes[path[i - 1].second].id)) --i;
      append_unknown(word.substr(begin, path[i].second - begin), out);
    }
  }

  void append_unknown(std::string_view text, std::vector<TokenId>& out) const {
    if (byte_tokens_.append(text, out)) return;
    if (!spec_.unknown) {
      fail(ErrorKind::format, "the vocabulary has no unknown token for '{}'", text);
    }
    out.push_back(*spec_.unknown);
  }

  const ModelSpec& spec_;
  const std::vector<bool>& control_;
  ByteTokens byte_tokens_;
  ByteTrie trie_;
  double unknown_score_ = 0;
};

}  // namespace

std::unique_ptr<TokenModel> make_unigram(const ModelSpec& spec, const std::vector<bool>& control) {
  return std::make_unique<Unigram>(spec, control);
}

}  // namespace limbeck

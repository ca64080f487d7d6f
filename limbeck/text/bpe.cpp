// Byte-pair encoding as huggingface/tokenizers applies it (tokenizers/src/models/bpe/model.rs).
#include <array>
#include <mutex>

#include "limbeck/base/utf8.h"
#include "limbeck/text/byte_level.h"
#include "limbeck/text/merging.h"
#include "limbeck/text/piece_decoder.h"
#include "limbeck/text/token_model.h"

namespace limbeck {
namespace {

std::size_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

// The ids of words seen lately. A slot holds one word; another one with the same slot replaces it.
class WordCache {
 public:
  static constexpr std::size_t kMaxBytes = 48;

  bool find(std::string_view word, std::size_t hash, std::vector<TokenId>& out) const {
    Shard& shard = shards_[hash % kShards];
    const std::lock_guard lock(shard.mutex);
    if (shard.slots.empty()) return false;
    const Slot& slot = shard.slots[hash / kShards % kSlots];
    if (slot.word != word) return false;
    out.insert(out.end(), slot.ids.begin(), slot.ids.end());
    return true;
  }

  void insert(std::string_view word, std::size_t hash, const std::vector<TokenId>& ids) const {
    Shard& shard = shards_[hash % kShards];
    const std::lock_guard lock(shard.mutex);
    if (shard.slots.empty()) shard.slots.resize(kSlots);
    Slot& slot = shard.slots[hash / kShards % kSlots];
    slot.word = word;
    slot.ids = ids;
  }

 private:
  static constexpr std::size_t kShards = 16, kSlots = 1024;
  struct Slot {
    std::string word;
    std::vector<TokenId> ids;
  };
  struct Shard {
    std::mutex mutex;
    std::vector<Slot> slots;
  };
  mutable std::array<Shard, kShards> shards_;
};

class Bpe : public TokenModel {
 public:
  Bpe(const ModelSpec& spec, const std::vector<bool>& control, bool raw_bytes)
      : spec_(spec),
        control_(control),
        index_(index_of(spec)),
        table_(spec.merges),
        byte_tokens_(spec),
        raw_bytes_(raw_bytes) {
    for (const Merge& merge : spec.merges) {
      makes_control_ |= control[static_cast<std::size_t>(merge.result)];
    }
    for (std::size_t id = 0; id < spec.pieces.size(); ++id) {
      const auto& piece = spec.pieces[id];
      makes_control_ |= piece && control[id] && piece->size() <= 4;  // perhaps one character
    }
    if (raw_bytes) read_bytes();
    read_neighbours();
  }

  void encode(std::string_view word, bool trusted, std::vector<TokenId>& out) const override {
    if (word.empty()) return;
    if (spec_.ignore_merges && take_whole(word, trusted, out)) return;
    const bool cached = word.size() > 1 && word.size() <= WordCache::kMaxBytes && !makes_control_;
    const std::size_t hash = cached ? hash_of(word) : 0;
    if (cached && cache_.find(word, hash, out)) return;
    std::vector<TokenId> symbols;
    if (raw_bytes_) {
      symbols.reserve(word.size());
      for (const char b : word) symbols.push_back(byte_ids_[static_cast<std::uint8_t>(b)]);
    } else {
      add_characters(word, trusted, symbols);
    }
    const MergeRules rules(table_, trusted || !makes_control_ ? nullptr : &control_);
    if (symbols.size() > kLongWord && neighbours_) {
      merge_parts(symbols, rules, out);
      return;
    }
    merge_all(symbols, rules);
    out.insert(out.end(), symbols.begin(), symbols.end());
    if (cached) cache_.insert(word, hash, symbols);
  }

 private:
  static constexpr std::size_t kLongWord = 64;

  void read_bytes() {
    for (std::size_t id = 0; id < spec_.pieces.size(); ++id) {
      if (!spec_.pieces[id]) continue;
      const auto bytes = byte_level::to_bytes(*spec_.pieces[id]);
      if (bytes && bytes->size() == 1) {
        byte_ids_[static_cast<std::uint8_t>((*bytes)[0])] = static_cast<TokenId>(id);
      }
    }
  }

  // The characters that stand next to each other inside some piece. No merge reaches over any other
  // two, so a long word can be cut there. Not found where pieces are spelled otherwise than by
  // their characters.
  void read_neighbours() {
    if (!spec_.continuing_subword_prefix.empty() || !spec_.end_of_word_suffix.empty()) return;
    std::vector<Merge> pairs;
    for (const Merge& merge : spec_.merges) {
      const std::string_view left = *spec_.pieces[static_cast<std::size_t>(merge.left)];
      const std::string_view right = *spec_.pieces[static_cast<std::size_t>(merge.right)];
      if (spec_.byte_fallback && (byte_of_piece(left) || byte_of_piece(right))) return;
      if (merge.left == spec_.unknown || merge.right == spec_.unknown) return;
      std::size_t last = left.size() - 1;
      while (last > 0 && (static_cast<unsigned char>(left[last]) & 0xc0) == 0x80) --last;
      const auto a = index_.find(left.substr(last));
      const auto b = index_.find(right.substr(0, code_point_at(right, 0).bytes));
      if (a != index_.end() && b != index_.end()) pairs.push_back({a->second, b->second, 0, 0});
    }
    neighbours_.emplace(pairs);
  }

  void merge_parts(const std::vector<TokenId>& symbols, const MergeRules& rules,
                   std::vector<TokenId>& out) const {
    std::vector<TokenId> part;
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      part.push_back(symbols[i]);
      if (i + 1 < symbols.size() && neighbours_->find(symbols[i], symbols[i + 1])) continue;
      merge_all(part, rules);
      out.insert(out.end(), part.begin(), part.end());
      part.clear();
    }
  }

  bool is_control(TokenId id) const { return control_[static_cast<std::size_t>(id)]; }

  bool take_whole(std::string_view word, bool trusted, std::vector<TokenId>& out) const {
    const auto found =
        raw_bytes_ ? index_.find(byte_level::to_characters(word)) : index_.find(word);
    if (found == index_.end() || (!trusted && is_control(found->second))) return false;
    out.push_back(found->second);
    return true;
  }

  const TokenId* find(std::string_view piece, bool trusted) const {
    const auto found = index_.find(piece);
    if (found == index_.end() || (!trusted && is_control(found->second))) return nullptr;
    return &found->second;
  }

  // One symbol per character; unknown ones by bytes, else by the unknown token, else not at all.
  void add_characters(std::string_view word, bool trusted, std::vector<TokenId>& symbols) const {
    bool pending = false;  // an unknown token that later unknown characters may join
    std::string decorated;
    for (std::size_t i = 0; i < word.size();) {
      const std::size_t n = code_point_at(word, i).bytes;
      std::string_view piece = word.substr(i, n);
      if (!spec_.continuing_subword_prefix.empty() || !spec_.end_of_word_suffix.empty()) {
        decorated = i == 0 ? "" : spec_.continuing_subword_prefix;
        decorated += piece;
        if (i + n == word.size()) decorated += spec_.end_of_word_suffix;
        piece = decorated;
      }
      i += n;
      if (const TokenId* id = find(piece, trusted)) {
        if (pending) symbols.push_back(*spec_.unknown);
        pending = false;
        symbols.push_back(*id);
      } else if (!byte_tokens_.append(piece, symbols) && spec_.unknown) {
        if (pending && !spec_.fuse_unk) symbols.push_back(*spec_.unknown);
        pending = true;
      }
    }
    if (pending) symbols.push_back(*spec_.unknown);
  }

  const ModelSpec& spec_;
  const std::vector<bool>& control_;
  PieceIndex index_;
  MergeTable table_;
  std::optional<MergeTable> neighbours_;
  ByteTokens byte_tokens_;
  bool raw_bytes_;
  bool makes_control_ = false;  // can words spell a control token?
  std::array<TokenId, 256> byte_ids_{};
  WordCache cache_;
};

}  // namespace

std::unique_ptr<TokenModel> make_bpe(const ModelSpec& spec, const std::vector<bool>& control,
                                     bool raw_bytes) {
  return std::make_unique<Bpe>(spec, control, raw_bytes);
}

}  // namespace limbeck

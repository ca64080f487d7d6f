#include "limbeck/text/bpe_trainer.h"

#include <algorithm>
#include <cstdint>
#include <queue>
#include <set>
#include <unordered_map>

#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/byte_level.h"
#include "limbeck/text/pre_tokenizer.h"
#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {
namespace {

constexpr std::size_t kMaxWordBytes = 256;  // longer ones are no words; they are not learned from

Json pre_tokenizer_json(const BpeTrainOptions& options) {
  const Json bytes = {{"type", "ByteLevel"},
                      {"add_prefix_space", false},
                      {"trim_offsets", true},
                      {"use_regex", true}};
  if (!options.split_digits) return bytes;
  return {
      {"type", "Sequence"},
      {"pretokenizers", Json::array({{{"type", "Digits"}, {"individual_digits", true}}, bytes})}};
}

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};
using WordCounts = std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>>;

class WordCounter {
 public:
  explicit WordCounter(const BpeTrainOptions& options)
      : pre_tokenizer_(pre_tokenizer_json(options), "training options") {}

  void add(std::string_view text) {
    constexpr std::size_t kChunk = 1u << 20;  // bounds the memory of a long text's word list
    while (text.size() > kChunk) {
      const auto cut = text.rfind('\n', kChunk);
      const std::size_t n = cut == text.npos || cut == 0 ? text.size() : cut;
      add_chunk(text.substr(0, n));
      text.remove_prefix(n);
    }
    add_chunk(text);
  }

  WordCounts take() { return std::move(counts_); }

 private:
  void add_chunk(std::string_view text) {
    Words words(replace_invalid_utf8(text));
    pre_tokenizer_.cut(words, /*keep_bytes=*/true);
    for (const auto& range : words.ranges) {
      const std::string_view word = words.word(range);
      if (word.size() < 2 || word.size() > kMaxWordBytes) continue;
      auto found = counts_.find(word);
      if (found == counts_.end()) found = counts_.emplace(word, 0).first;
      ++found->second;
    }
  }

  PreTokenizer pre_tokenizer_;
  WordCounts counts_;
};

using Pair = std::uint64_t;  // left id << 32 | right id: sorts as the pair of ids does
Pair pair_of(TokenId left, TokenId right) {
  return static_cast<Pair>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

struct Word {
  std::vector<TokenId> symbols;
  std::int64_t count;
};

// Where a pair stands. Words may be named twice, or no longer hold the pair; counts are exact.
struct Occurrences {
  std::int64_t count = 0;
  std::vector<std::uint32_t> words;
};

struct Candidate {
  std::int64_t count;
  Pair pair;
  bool operator<(const Candidate& other) const {  // the top of a heap: frequent, then lower ids
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

// The words as symbols, and which pair stands where; merging keeps both in step.
class PairIndex {
 public:
  PairIndex(const WordCounts& counts, const std::vector<TokenId>& byte_ids) {
    std::vector<const WordCounts::value_type*> sorted;
    for (const auto& entry : counts) sorted.push_back(&entry);
    std::ranges::sort(sorted, {}, [](const auto* entry) { return entry->first; });
    for (const auto* entry : sorted) {
      Word word{{}, entry->second};
      for (const char b : entry->first) {
        word.symbols.push_back(byte_ids[static_cast<std::uint8_t>(b)]);
      }
      words_.push_back(std::move(word));
    }
    for (std::uint32_t w = 0; w < words_.size(); ++w) {
      const auto& symbols = words_[w].symbols;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
        change(pair_of(symbols[i], symbols[i + 1]), words_[w].count, w);
      }
    }
    for (const auto& [pair, occurrences] : pairs_) heap_.push({occurrences.count, pair});
  }

  // The most frequent pair, or nullopt when none is left.
  std::optional<Candidate> pop() {
    while (!heap_.empty()) {
      const Candidate top = heap_.top();
      heap_.pop();
      const auto found = pairs_.find(top.pair);
      const std::int64_t now = found == pairs_.end() ? 0 : found->second.count;
      if (now == top.count) return top;
      if (now > 0) heap_.push({now, top.pair});  // it became rarer since it was pushed
    }
    return std::nullopt;
  }

  void merge(Pair pair, TokenId result) {
    const auto found = pairs_.find(pair);
    const std::vector<std::uint32_t> where = std::move(found->second.words);
    pairs_.erase(found);
    grown_.clear();
    for (const std::uint32_t w : where) merge_in(w, pair, result);
    std::ranges::sort(grown_);
    grown_.erase(std::unique(grown_.begin(), grown_.end()), grown_.end());  // clang 14: no ranges
    for (const Pair p : grown_) {
      const auto now = pairs_.find(p);
      if (now != pairs_.end() && now->second.count > 0) heap_.push({now->second.count, p});
    }
  }

 private:
  void change(Pair pair, std::int64_t by, std::uint32_t word) {
    auto& occurrences = pairs_[pair];
    occurrences.count += by;
    if (by > 0 && (occurrences.words.empty() || occurrences.words.back() != word)) {
      occurrences.words.push_back(word);
    }
  }

  void merge_in(std::uint32_t w, Pair pair, TokenId result) {
    auto& [symbols, count] = words_[w];
    const auto left = static_cast<TokenId>(pair >> 32), right = static_cast<TokenId>(pair & ~0u);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < symbols.size(); ++kept) {
      if (i + 1 >= symbols.size() || symbols[i] != left || symbols[i + 1] != right) {
        symbols[kept] = symbols[i++];
        continue;
      }
      if (kept > 0) {
        lose(pair_of(symbols[kept - 1], left), pair, count, w);
        gain(pair_of(symbols[kept - 1], result), count, w);
      }
      if (i + 2 < symbols.size()) {
        lose(pair_of(right, symbols[i + 2]), pair, count, w);
        gain(pair_of(result, symbols[i + 2]), count, w);
      }
      symbols[kept] = result;
      i += 2;
    }
    symbols.resize(kept);
  }

  void lose(Pair pair, Pair merging, std::int64_t count, std::uint32_t w) {
    if (pair != merging) change(pair, -count, w);
  }
  void gain(Pair pair, std::int64_t count, std::uint32_t w) {
    change(pair, count, w);
    grown_.push_back(pair);
  }

  std::vector<Word> words_;
  std::unordered_map<Pair, Occurrences> pairs_;
  std::priority_queue<Candidate> heap_;
  std::vector<Pair> grown_;
};

void check(const BpeTrainOptions& options) {
  const auto& specials = options.special_tokens;
  const std::set<std::string> unique(specials.begin(), specials.end());
  if (unique.size() != specials.size()) fail(ErrorKind::usage, "special tokens must differ");
  for (const auto& token : specials) {
    if (token.size() < 3 || !is_utf8(token)) {
      fail(ErrorKind::usage, "special token '{}': 3 bytes or more of UTF-8 are needed", token);
    }
  }
  const int least = 257 + static_cast<int>(specials.size());
  if (options.vocab_size < least ||
      options.vocab_size > static_cast<int>(limits().tokenizer_pieces)) {
    fail(ErrorKind::usage, "vocab_size {} is outside [{}, {}] (256 bytes, {} special tokens)",
         options.vocab_size, least, limits().tokenizer_pieces, specials.size());
  }
  for (const std::string* name : {&options.eos, &options.pad, &options.bos}) {
    if (!name->empty() && !unique.contains(*name)) {
      fail(ErrorKind::usage, "'{}' is not one of the special tokens", *name);
    }
  }
  if (options.eos.empty()) fail(ErrorKind::usage, "an end-of-text token is needed");
  if (options.min_frequency < 1) fail(ErrorKind::usage, "min_frequency must be 1 or more");
}

std::optional<TokenId> special_id(const BpeTrainOptions& options, const std::string& name) {
  const auto found = std::ranges::find(options.special_tokens, name);
  if (found == options.special_tokens.end()) return std::nullopt;
  return static_cast<TokenId>(found - options.special_tokens.begin());
}

// Everything but the merges: special tokens, the byte alphabet in the order of its characters
// (as the `tokenizers` trainer has it), the pipeline.
TokenizerSpec skeleton(const BpeTrainOptions& options) {
  TokenizerSpec spec;
  spec.origin = "trained tokenizer";
  for (const auto& token : options.special_tokens) {
    AddedToken added;
    added.id = static_cast<TokenId>(spec.model.pieces.size());
    added.content = token;
    added.special = true;
    spec.added.push_back(added);
    spec.model.pieces.emplace_back(token);
  }
  std::vector<std::uint32_t> characters;
  for (int b = 0; b < 256; ++b)
    characters.push_back(byte_level::character(static_cast<std::uint8_t>(b)));
  std::ranges::sort(characters);
  for (const auto c : characters) append_utf8(spec.model.pieces.emplace_back("").value(), c);
  spec.pre_tokenizer = pre_tokenizer_json(options);
  spec.decoder = {{"type", "ByteLevel"},
                  {"add_prefix_space", true},
                  {"trim_offsets", true},
                  {"use_regex", true}};
  spec.bos = special_id(options, options.bos);
  spec.eos = special_id(options, options.eos);
  spec.pad = special_id(options, options.pad);
  if (spec.bos) {
    const Json first = {{"SpecialToken", {{"id", options.bos}, {"type_id", 0}}}};
    const auto text = [](const char* name, int type) {
      return Json{{"Sequence", {{"id", name}, {"type_id", type}}}};
    };
    spec.post_processor = {{"type", "TemplateProcessing"},
                           {"single", Json::array({first, text("A", 0)})},
                           {"pair", Json::array({first, text("A", 0), text("B", 1)})},
                           {"special_tokens",
                            {{options.bos,
                              {{"id", options.bos},
                               {"ids", Json::array({*spec.bos})},
                               {"tokens", Json::array({options.bos})}}}}}};
  }
  if (!options.chat_template.empty()) spec.chat_templates.emplace_back("", options.chat_template);
  return spec;
}

}  // namespace

TrainedTokenizer train_bpe(
    const std::function<void(const std::function<void(std::string_view)>&)>& texts,
    const BpeTrainOptions& options) {
  check(options);
  TokenizerSpec spec = skeleton(options);
  auto& pieces = spec.model.pieces;
  std::unordered_map<std::string, TokenId> ids;
  std::vector<TokenId> byte_ids(256);
  for (std::size_t id = 0; id < pieces.size(); ++id) ids[*pieces[id]] = static_cast<TokenId>(id);
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    byte_ids[static_cast<std::size_t>(b)] = ids.at(byte_level::to_characters({&byte, 1}));
  }

  WordCounter counter(options);
  texts([&](std::string_view text) { counter.add(text); });
  PairIndex index(counter.take(), byte_ids);
  while (pieces.size() < static_cast<std::size_t>(options.vocab_size)) {
    const auto best = index.pop();
    if (!best || best->count < options.min_frequency) break;
    const auto left = static_cast<TokenId>(best->pair >> 32);
    const auto right = static_cast<TokenId>(best->pair & ~0u);
    std::string piece = *pieces[static_cast<std::size_t>(left)];
    piece += *pieces[static_cast<std::size_t>(right)];
    // Two different pairs can spell the same piece; it stays one token.
    const auto [known, is_new] = ids.emplace(piece, static_cast<TokenId>(pieces.size()));
    if (is_new) pieces.emplace_back(std::move(piece));
    spec.model.merges.push_back(
        {left, right, known->second, static_cast<std::uint32_t>(spec.model.merges.size())});
    index.merge(best->pair, known->second);
  }
  return {write_tokenizer_json(spec), write_tokenizer_config(spec)};
}

}  // namespace limbeck

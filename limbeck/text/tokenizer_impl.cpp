#include "limbeck/text/tokenizer_impl.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

// Tokens that end an answer or a turn, as model families call them.
constexpr std::array<std::string_view, 15> kTurnEnds = {"<|im_end|>",
                                                        "<|eot_id|>",
                                                        "<|eom_id|>",
                                                        "<|end|>",
                                                        "<end_of_turn>",
                                                        "<turn|>",
                                                        "<|endoftext|>",
                                                        "<|end_of_text|>",
                                                        "<EOT>",
                                                        "<|eot|>",
                                                        "<|END_OF_TURN_TOKEN|>",
                                                        "<|end_of_sentence|>",
                                                        "<\uff5cend\u2581of\u2581sentence\uff5c>",
                                                        "<|return|>",
                                                        "<|call|>"};

std::vector<std::string> normalized_contents(const std::vector<AddedToken>& tokens,
                                             const Normalizer& normalizer) {
  std::vector<std::string> contents;
  for (const AddedToken& token : tokens) contents.push_back(normalizer.apply(token.content));
  return contents;
}

std::vector<std::string> raw_contents(const std::vector<AddedToken>& tokens) {
  std::vector<std::string> contents;
  for (const AddedToken& token : tokens) contents.push_back(token.content);
  return contents;
}

std::unique_ptr<TokenModel> make_model(const ModelSpec& spec, const std::vector<bool>& control,
                                       bool raw_bytes) {
  switch (spec.kind) {
    case ModelKind::bpe:
      return make_bpe(spec, control, raw_bytes);
    case ModelKind::unigram:
      return make_unigram(spec, control);
    case ModelKind::word_piece:
      return make_word_piece(spec, control);
    case ModelKind::word_level:
      return make_word_level(spec, control);
  }
  return nullptr;
}

// Every id: its piece and kind.
void fill_table(Tokenizer::Impl& t) {
  const ModelSpec& model = t.spec.model;
  const std::size_t n = t.spec.size();
  t.pieces.resize(n);
  t.kinds.assign(n, TokenKind::unused);
  t.control.assign(n, false);
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    if (!model.pieces[id]) continue;
    t.pieces[id] = *model.pieces[id];
    const bool is_byte = model.byte_fallback && byte_of_piece(t.pieces[id]);
    t.kinds[id] = is_byte ? TokenKind::byte : TokenKind::normal;
  }
  for (const AddedToken& token : t.spec.added) {
    const auto id = static_cast<std::size_t>(token.id);
    t.pieces[id] = token.content;
    t.control[id] = token.special;
    t.kinds[id] = token.special ? TokenKind::control : TokenKind::user_defined;
  }
  std::unordered_set<std::string_view> special;  // a vocabulary may hold such a piece twice
  for (const AddedToken& token : t.spec.added) {
    if (token.special) special.insert(token.content);
  }
  for (std::size_t id = 0; id < n && !special.empty(); ++id) {
    if (!t.control[id] && special.contains(t.pieces[id])) {
      t.control[id] = true;
      t.kinds[id] = TokenKind::control;
    }
  }
  for (const auto& unknown : {model.unknown, t.spec.unknown}) {
    if (unknown) t.kinds.at(static_cast<std::size_t>(*unknown)) = TokenKind::unknown;
  }
  t.index.reserve(n);
  for (std::size_t id = 0; id < n; ++id) {
    if (t.kinds[id] != TokenKind::unused) t.index.emplace(t.pieces[id], static_cast<TokenId>(id));
  }
}

void fill_bytes(Tokenizer::Impl& t) {
  t.bytes.resize(t.pieces.size());
  for (std::size_t id = 0; id < t.pieces.size(); ++id) {
    switch (t.kinds[id]) {
      case TokenKind::normal:
      case TokenKind::byte:
        t.bytes[id] = t.decoder.bytes(t.pieces[id]);
        break;
      case TokenKind::user_defined:
        t.bytes[id] = t.pieces[id];
        break;
      case TokenKind::control:
      case TokenKind::unknown:
      case TokenKind::unused:
        break;
    }
  }
}

void fill_stops(Tokenizer::Impl& t) {
  const auto add = [&](TokenId id) {
    if (std::ranges::find(t.stops, id) == t.stops.end()) t.stops.push_back(id);
  };
  if (t.spec.eos) add(*t.spec.eos);
  for (const TokenId id : t.spec.stops) add(id);
  for (const std::string_view name : kTurnEnds) {
    const auto found = t.index.find(name);
    if (found != t.index.end() && t.control[static_cast<std::size_t>(found->second)]) {
      add(found->second);
    }
  }
}

// The segments as one text, and which parts of it may hold special tokens.
class TrustedText {
 public:
  explicit TrustedText(std::span<const PromptSegment> segments) {
    for (const PromptSegment& segment : segments) add(segment.text, segment.trusted);
  }
  explicit TrustedText(const std::vector<TextRun>& runs) {
    for (const TextRun& run : runs) add(run.text, run.trusted);
  }

  const std::string& text() const noexcept { return text_; }

  bool trusted(std::size_t begin, std::size_t end) const {
    const auto run = at(begin);
    return run != ends_.end() && run->trusted && end <= run->end;
  }

  std::vector<TextRun> runs(std::size_t begin, std::size_t end) const {
    std::vector<TextRun> out;
    for (auto run = at(begin); begin < end && run != ends_.end(); ++run) {
      const std::size_t until = std::min(end, run->end);
      out.push_back({text_.substr(begin, until - begin), run->trusted});
      begin = until;
    }
    return out;
  }

 private:
  struct End {
    std::size_t end;
    bool trusted;
  };
  void add(const std::string& text, bool trusted) {
    if (text.empty()) return;
    text_ += text;
    if (!ends_.empty() && ends_.back().trusted == trusted) {
      ends_.back().end = text_.size();
    } else {
      ends_.push_back({text_.size(), trusted});
    }
  }
  std::vector<End>::const_iterator at(std::size_t offset) const {
    return std::upper_bound(ends_.begin(), ends_.end(), offset,
                            [](std::size_t o, const End& e) { return o < e.end; });
  }

  std::string text_;
  std::vector<End> ends_;
};

void encode_plain(const Tokenizer::Impl& t, std::string text, bool starts, bool trusted,
                  std::vector<TokenId>& out) {
  Words words(std::move(text), starts);
  t.pre_tokenizer.cut(words, t.raw_bytes);
  for (const auto& range : words.ranges) {
    if (range.begin < range.end) t.model->encode(words.word(range), trusted, out);
  }
}

}  // namespace

Tokenizer::Impl::Impl(TokenizerSpec given) : spec(std::move(given)) {
  if (spec.size() == 0) fail(ErrorKind::format, "{}: the vocabulary is empty", spec.origin);
  fill_table(*this);
  normalizer = Normalizer(spec.normalizer, spec.origin);
  pre_tokenizer = PreTokenizer(spec.pre_tokenizer, spec.origin);
  decoder = PieceDecoder(spec.decoder, spec.origin);
  frame = read_frame(spec);
  raw_bytes = spec.model.kind == ModelKind::bpe && pre_tokenizer.byte_level() &&
              spec.model.continuing_subword_prefix.empty() &&
              spec.model.end_of_word_suffix.empty() && has_all_bytes(spec.model);
  model = make_model(spec.model, control, raw_bytes);

  std::vector<AddedToken> raw, normalized;
  for (const AddedToken& token : spec.added) (token.normalized ? normalized : raw).push_back(token);
  raw_added = AddedTokens(raw, raw_contents(raw));
  normalized_added = AddedTokens(normalized, normalized_contents(normalized, normalizer));
  fill_bytes(*this);
  fill_stops(*this);
}

std::size_t Tokenizer::Impl::check(TokenId id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= pieces.size()) {
    fail(ErrorKind::format, "{}: token id {} is outside [0, {})", spec.origin, id, pieces.size());
  }
  return static_cast<std::size_t>(id);
}

void Tokenizer::Impl::encode(std::span<const PromptSegment> segments,
                             std::vector<TokenId>& out) const {
  const TrustedText whole(segments);
  const auto sections = raw_added.find(
      whole.text(), [&](std::size_t begin, std::size_t end) { return whole.trusted(begin, end); });
  for (const Section& section : sections) {
    if (section.token) {
      out.push_back(*section.token);
      continue;
    }
    std::vector<TextRun> runs = whole.runs(section.begin, section.end);
    normalizer.apply(runs);
    const bool starts = section.begin == 0 && !(runs.empty() || runs[0].cut);
    const TrustedText part(runs);
    const auto trusted = [&](std::size_t begin, std::size_t end) {
      return part.trusted(begin, end);
    };
    for (const Section& inner : normalized_added.find(part.text(), trusted)) {
      if (inner.token) {
        out.push_back(*inner.token);
      } else {
        encode_plain(*this, part.text().substr(inner.begin, inner.end - inner.begin),
                     starts && inner.begin == 0, trusted(inner.begin, inner.end), out);
      }
    }
  }
}

}  // namespace limbeck

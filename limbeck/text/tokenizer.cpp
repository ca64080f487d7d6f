#include "limbeck/text/tokenizer.h"

#include <bit>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/sha256.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/tokenizer_impl.h"

namespace limbeck {
namespace {

PromptSegment segment(std::string_view text, bool trusted) {
  return {is_utf8(text) ? std::string(text) : replace_invalid_utf8(text), trusted};
}

template <typename Number>
void add_number(Sha256& sha, Number number) {
  sha.add(std::as_bytes(std::span(&number, 1)));
}

std::string hash_of(const Tokenizer::Impl& t) {
  Sha256 sha;
  for (std::size_t id = 0; id < t.pieces.size(); ++id) {
    add_number(sha, static_cast<std::uint64_t>(t.pieces[id].size()));
    sha.add(t.pieces[id]);
    add_number(sha, t.kinds[id]);
  }
  for (const Merge& merge : t.spec.model.merges) {
    add_number(sha, merge.left);
    add_number(sha, merge.right);
  }
  for (const double score : t.spec.model.scores) add_number(sha, static_cast<float>(score));
  return sha.hex();
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode_segments(std::span<const PromptSegment> segments,
                                                bool add_special) const {
  std::vector<TokenId> ids;
  if (add_special) ids = impl_->frame.before;
  std::vector<PromptSegment> valid;
  for (const auto& part : segments) valid.push_back(segment(part.text, part.trusted));
  impl_->encode(valid, ids);
  if (add_special) ids.insert(ids.end(), impl_->frame.after.begin(), impl_->frame.after.end());
  return ids;
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool add_special) const {
  const PromptSegment whole{std::string(text), false};
  return encode_segments({&whole, 1}, add_special);
}

std::vector<TokenId> Tokenizer::encode_trusted(std::string_view text, bool add_special) const {
  const PromptSegment whole{std::string(text), true};
  return encode_segments({&whole, 1}, add_special);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::vector<std::string> pieces;
  pieces.reserve(ids.size());
  for (const TokenId id : ids) {
    const std::size_t at = impl_->check(id);
    if (skip_special && impl_->control[at]) continue;
    if (impl_->kinds[at] != TokenKind::unused) pieces.push_back(impl_->pieces[at]);
  }
  return impl_->decoder.decode(std::move(pieces));
}

const std::string& Tokenizer::token_bytes(TokenId id) const {
  return impl_->bytes[impl_->check(id)];
}
const std::string& Tokenizer::token_piece(TokenId id) const {
  return impl_->pieces[impl_->check(id)];
}
TokenKind Tokenizer::kind(TokenId id) const { return impl_->kinds[impl_->check(id)]; }

std::optional<TokenId> Tokenizer::find(std::string_view piece) const {
  const auto found = impl_->index.find(piece);
  if (found == impl_->index.end()) return std::nullopt;
  return found->second;
}

bool Tokenizer::strips_first_blank() const noexcept { return impl_->decoder.strips_first_blank(); }
int Tokenizer::vocab_size() const noexcept { return static_cast<int>(impl_->pieces.size()); }
std::optional<TokenId> Tokenizer::bos() const noexcept { return impl_->spec.bos; }
std::optional<TokenId> Tokenizer::eos() const noexcept { return impl_->spec.eos; }
std::optional<TokenId> Tokenizer::pad() const noexcept { return impl_->spec.pad; }
std::optional<TokenId> Tokenizer::unknown() const noexcept {
  return impl_->spec.unknown ? impl_->spec.unknown : impl_->spec.model.unknown;
}
std::span<const TokenId> Tokenizer::stop_tokens() const noexcept { return impl_->stops; }

const std::string& Tokenizer::chat_template(std::string_view name) const {
  static const std::string none;
  const std::string* fallback = &none;
  for (const auto& [known, source] : impl_->spec.chat_templates) {
    if (known == name) return source;
    if (known.empty()) fallback = &source;
  }
  return *fallback;
}

const std::string& Tokenizer::hash() const {
  std::call_once(impl_->hashed, [&] { impl_->hash = hash_of(*impl_); });
  return impl_->hash;
}

std::string Tokenizer::to_tokenizer_json() const {
  return impl_->tokenizer_json.empty() ? write_tokenizer_json(impl_->spec) : impl_->tokenizer_json;
}

std::string Tokenizer::to_tokenizer_config_json() const {
  return impl_->config_json.empty() ? write_tokenizer_config(impl_->spec) : impl_->config_json;
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer), skip_special_(skip_special) {}

std::string StreamDecoder::add(TokenId id) {
  const TokenKind kind = tokenizer_.kind(id);
  const bool special = kind == TokenKind::control || kind == TokenKind::unknown;
  if (special && skip_special_) return {};
  std::string bytes = special ? tokenizer_.token_piece(id) : tokenizer_.token_bytes(id);
  if (bytes.empty()) return {};
  if (first_ && tokenizer_.strips_first_blank() && bytes[0] == ' ') bytes.erase(0, 1);
  first_ = false;
  held_ += bytes;
  const std::size_t n = complete_utf8_prefix(held_);
  std::string text = replace_invalid_utf8(std::string_view(held_).substr(0, n));
  held_.erase(0, n);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = replace_invalid_utf8(held_);
  held_.clear();
  return text;
}

}  // namespace limbeck

#include "limbeck/text/added_tokens.h"

#include "limbeck/base/utf8.h"
#include "limbeck/text/unicode.h"

namespace limbeck {
namespace {

// The code point that ends at text[end - 1]; `text` is valid UTF-8, end > 0.
CodePoint code_point_before(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
  return code_point_at(text, begin);
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const bool word_before = begin > 0 && unicode::is_word(code_point_before(text, begin).value);
  const bool word_after = end < text.size() && unicode::is_word(code_point_at(text, end).value);
  return !word_before && !word_after;
}

std::size_t before_blanks(std::string_view text, std::size_t begin, std::size_t least) {
  while (begin > least) {
    const CodePoint c = code_point_before(text, begin);
    if (!unicode::is_whitespace(c.value)) break;
    begin -= c.bytes;
  }
  return std::max(begin, least);
}

std::size_t after_blanks(std::string_view text, std::size_t end) {
  while (end < text.size()) {
    const CodePoint c = code_point_at(text, end);
    if (!unicode::is_whitespace(c.value)) break;
    end += c.bytes;
  }
  return end;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, std::vector<std::string> contents)
    : tokens_(std::move(tokens)) {
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (!contents[i].empty()) keys.emplace_back(contents[i], static_cast<std::int32_t>(i));
  }
  trie_ = ByteTrie(std::move(keys));
}

std::vector<Section> AddedTokens::find(
    std::string_view text, const std::function<bool(std::size_t, std::size_t)>& trusted) const {
  std::vector<Section> sections;
  std::size_t done = 0;                         // everything before it is in a section
  std::size_t blanks_from = 0, blanks_end = 0;  // looked at once, however many tokens end in them
  for (std::size_t at = 0; at < text.size() && !tokens_.empty();) {
    std::size_t length = 0;
    const AddedToken* token = nullptr;
    trie_.each_prefix(text, at, [&](std::size_t n, std::int32_t index) {
      const AddedToken& candidate = tokens_[static_cast<std::size_t>(index)];
      if (candidate.special && !trusted(at, at + n)) return;
      length = n;
      token = &candidate;
    });
    if (!token) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + length;
    at = end;
    if (token->single_word && !stands_alone(text, begin, end)) continue;
    if (token->lstrip) begin = before_blanks(text, begin, done);
    if (token->rstrip) {
      if (end < blanks_from || end > blanks_end) {
        blanks_from = end;
        blanks_end = after_blanks(text, end);
      }
      end = blanks_end;
    }
    if (done < begin) sections.push_back({done, begin, std::nullopt});
    sections.push_back({begin, end, token->id});
    done = end;
  }
  if (done < text.size()) sections.push_back({done, text.size(), std::nullopt});
  return sections;
}

}  // namespace limbeck

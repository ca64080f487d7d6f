// Text -> windows of tokens.
#include <algorithm>
#include <iterator>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/evaluate/evaluate.h"
#include "limbeck/task/words.h"

namespace limbeck {
namespace {

constexpr std::size_t kMostBytesAToken = 64;  // of the text that is read for max_tokens
constexpr std::size_t kPiece = 2u << 20;      // a longer text is encoded in pieces that end a line

// The BOS that the model wants before a text, if any.
std::optional<TokenId> prefix_of(const Tokenizer& tokenizer) {
  const auto ids = tokenizer.encode("a", true);
  return !ids.empty() && tokenizer.bos() && ids.front() == *tokenizer.bos() ? tokenizer.bos()
                                                                            : std::nullopt;
}

std::vector<TokenId> encode_all(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<TokenId> ids;
  while (!text.empty()) {
    std::string_view piece = text;
    if (piece.size() > kPiece) {
      const auto line = piece.rfind('\n', kPiece);
      piece = piece.substr(0, line != piece.npos && line > 0 ? line + 1 : kPiece);
      piece = piece.substr(0, complete_utf8_prefix(piece));
    }
    const auto more = tokenizer.encode(piece, false);
    ids.insert(ids.end(), more.begin(), more.end());
    text.remove_prefix(piece.size());
  }
  return ids;
}

std::vector<std::string_view> records_of(std::string_view text, const TextOptions& options) {
  std::vector<std::string_view> records;
  std::int64_t seen = 0;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(options.separator, at), text.size());
    const auto record = trimmed(text.substr(at, end - at));
    at = end + options.separator.size();
    if (record.empty() || seen++ < options.skip_records) continue;
    records.push_back(record);
    if (options.max_records > 0 &&
        static_cast<std::int64_t>(records.size()) >= options.max_records) {
      break;
    }
  }
  return records;
}

std::vector<std::vector<TokenId>> record_windows(const Tokenizer& tokenizer, std::string_view text,
                                                 const TextOptions& options) {
  const auto prefix = prefix_of(tokenizer);
  std::vector<std::vector<TokenId>> windows;
  for (const auto record : records_of(text, options)) {
    std::vector<TokenId> window;
    if (prefix) window.push_back(*prefix);
    const auto ids = encode_all(tokenizer, record);
    window.insert(window.end(), ids.begin(), ids.end());
    if (static_cast<std::int64_t>(window.size()) > options.context) {
      window.resize(static_cast<std::size_t>(options.context));
    }
    windows.push_back(std::move(window));
  }
  return windows;
}

// Consecutive windows of the whole text. When only second halves count, BOS takes the place of the
// first token and the short rest is left out, as llama-perplexity does.
std::vector<std::vector<TokenId>> stream_windows(const Tokenizer& tokenizer, std::string_view text,
                                                 const TextOptions& options) {
  if (options.max_tokens > 0) {
    const auto most = static_cast<std::size_t>(options.max_tokens) * kMostBytesAToken;
    if (text.size() > most) {
      text = text.substr(0, most);
      text = text.substr(0, complete_utf8_prefix(text));
    }
  }
  const auto prefix = prefix_of(tokenizer);
  const auto ids = encode_all(tokenizer, text);
  const bool replaces = !options.score_all;
  const std::size_t taken =
      static_cast<std::size_t>(options.context) - (prefix && !replaces ? 1 : 0);
  std::vector<std::vector<TokenId>> windows;
  for (std::size_t begin = 0; begin < ids.size(); begin += taken) {
    const std::size_t n = std::min(taken, ids.size() - begin);
    if (replaces && n < taken) break;
    std::vector<TokenId> window;
    if (prefix && !replaces) window.push_back(*prefix);
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(begin);
    window.insert(window.end(), first, first + static_cast<std::ptrdiff_t>(n));
    if (prefix && replaces) window.front() = *prefix;
    windows.push_back(std::move(window));
  }
  return windows;
}

}  // namespace

std::vector<std::vector<TokenId>> text_windows(const Tokenizer& tokenizer, std::string_view text,
                                               const TextOptions& options) {
  if (options.context < 2) {
    fail(ErrorKind::usage, "a window needs at least 2 tokens, not {}", options.context);
  }
  if (trimmed(text).empty()) fail(ErrorKind::usage, "the text is empty");
  auto windows = options.separator.empty() ? stream_windows(tokenizer, text, options)
                                           : record_windows(tokenizer, text, options);
  const std::int64_t first = options.score_all ? 1 : options.context / 2 + 1;
  std::int64_t left = options.max_tokens;
  std::vector<std::vector<TokenId>> kept;
  for (auto& window : windows) {
    auto predicted = static_cast<std::int64_t>(window.size()) - first;
    if (predicted <= 0) continue;
    if (options.max_tokens > 0) {
      if (left == 0) break;
      predicted = std::min(predicted, left);
      window.resize(static_cast<std::size_t>(first + predicted));
      left -= predicted;
    }
    kept.push_back(std::move(window));
  }
  if (kept.empty()) {
    fail(ErrorKind::usage, "the text is too short for a window of {} tokens", options.context);
  }
  return kept;
}

}  // namespace limbeck

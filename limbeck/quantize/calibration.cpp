#include "limbeck/quantize/calibration.h"

#include <algorithm>
#include <optional>

#include "limbeck/base/error.h"
#include "limbeck/base/sha256.h"

namespace limbeck {
namespace {

// A text cut into chunks, which are taken in an order that spreads evenly over the text.
struct ChunkedText {
  std::vector<std::vector<TokenId>> chunks;
  std::size_t taken = 0;
};

std::vector<std::vector<TokenId>> cut(const std::vector<TokenId>& ids, std::size_t chunk,
                                      std::optional<TokenId> bos) {
  std::vector<std::vector<TokenId>> chunks;
  const std::size_t fresh = chunk - (bos ? 1 : 0);
  for (std::size_t at = 0; at < ids.size(); at += fresh) {
    const std::size_t n = std::min(fresh, ids.size() - at);
    std::vector<TokenId> piece;
    if (bos) piece.push_back(*bos);
    piece.insert(piece.end(), ids.begin() + static_cast<std::ptrdiff_t>(at),
                 ids.begin() + static_cast<std::ptrdiff_t>(at + n));
    chunks.push_back(std::move(piece));
  }
  return chunks;
}

// The BOS that the tokenizer puts before a text, if it does.
std::optional<TokenId> leading_bos(const Tokenizer& tokenizer) {
  const auto bos = tokenizer.bos();
  const std::vector<TokenId> ids = tokenizer.encode("a", true);
  return bos && !ids.empty() && ids.front() == *bos ? bos : std::nullopt;
}

// Collects what passes through a decoder's tap.
class Collector {
 public:
  Collector(const std::set<std::string, std::less<>>& hessians_of, ThreadPool& pool)
      : hessians_of_(hessians_of), pool_(pool) {}

  ActivationTap tap() {
    return [this](std::string_view name, std::span<const float> x, std::int64_t columns) {
      const auto n = static_cast<std::size_t>(columns);
      Sum& sum = sums_[std::string(name)];
      sum.squares.resize(n);
      for (std::size_t i = 0; i < x.size(); ++i) sum.squares[i % n] += double{x[i]} * double{x[i]};
      sum.count += static_cast<double>(x.size() / n);
      if (!hessians_of_.contains(name)) return;
      statistics_.hessians.try_emplace(std::string(name), n).first->second.add(x, pool_);
    };
  }

  InputStatistics take(std::size_t sequences, std::size_t longest) {
    for (auto& [name, hessian] : statistics_.hessians) hessian.finish();
    for (const auto& [name, sum] : sums_) {
      ImportanceEntry& entry = statistics_.importance.entries[name];
      entry.count = sum.count;
      for (const double square : sum.squares) {
        entry.sum_squares.push_back(static_cast<float>(square));
      }
    }
    statistics_.importance.chunk_count = static_cast<std::uint32_t>(sequences);
    statistics_.importance.chunk_size = static_cast<std::uint32_t>(longest);
    return std::move(statistics_);
  }

 private:
  struct Sum {
    std::vector<double> squares;
    double count = 0;
  };
  const std::set<std::string, std::less<>>& hessians_of_;
  ThreadPool& pool_;
  std::map<std::string, Sum, std::less<>> sums_;
  InputStatistics statistics_;
};

std::size_t longest_of(const TokenSequences& sequences) {
  std::size_t longest = 1;
  for (const auto& sequence : sequences) longest = std::max(longest, sequence.size());
  return longest;
}

}  // namespace

CalibrationText tokenize_calibration(std::span<const std::string> texts, const Tokenizer& tokenizer,
                                     std::int64_t context, const CalibrationOptions& options) {
  const auto chunk = static_cast<std::size_t>(std::min(options.chunk, context));
  const std::optional<TokenId> bos = leading_bos(tokenizer);
  std::vector<ChunkedText> sources;
  std::int64_t available = 0;
  for (const std::string& text : texts) {
    ChunkedText source{cut(tokenizer.encode(text, false), chunk, bos)};
    for (const auto& piece : source.chunks) available += static_cast<std::int64_t>(piece.size());
    if (!source.chunks.empty()) sources.push_back(std::move(source));
  }
  if (available < options.min_tokens) {
    fail_try(ErrorKind::usage, "give more text, best of several kinds",
             "the calibration text has {} tokens; at least {} are needed, {} are better", available,
             options.min_tokens, options.max_tokens);
  }
  // How many chunks each text gives: equal parts, what a short text cannot give goes to the others.
  const std::size_t wanted =
      std::max<std::size_t>(1, static_cast<std::size_t>(options.max_tokens) / chunk);
  for (std::size_t given = 0; given < wanted;) {
    const std::size_t before = given;
    for (ChunkedText& source : sources) {
      if (given < wanted && source.taken < source.chunks.size()) {
        ++source.taken;
        ++given;
      }
    }
    if (given == before) break;
  }
  CalibrationText calibration;
  Sha256 sha;
  std::size_t most = 0;
  for (const ChunkedText& source : sources) most = std::max(most, source.taken);
  for (std::size_t k = 0; k < most; ++k) {
    for (ChunkedText& source : sources) {
      if (k >= source.taken) continue;
      auto& piece = source.chunks[k * source.chunks.size() / source.taken];
      sha.add(std::as_bytes(std::span(piece)));
      calibration.tokens += static_cast<std::int64_t>(piece.size());
      calibration.sequences.push_back(std::move(piece));
    }
  }
  calibration.sha256 = sha.hex();
  return calibration;
}

InputStatistics gather_statistics(LayeredForward& forward, const InputRange& range,
                                  const std::set<std::string, std::less<>>& hessians_of,
                                  ThreadPool& pool) {
  Collector collector(hessians_of, pool);
  forward.advance(range.first);
  if (range.stay) {
    forward.look(collector.tap());
  } else {
    forward.advance(range.last, collector.tap());
  }
  if (range.output) {
    forward.finish();
    forward.look_output(collector.tap());
  }
  return collector.take(forward.sequences().size(), longest_of(forward.sequences()));
}

}  // namespace limbeck

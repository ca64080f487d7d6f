// Perplexity, and KL divergence to a reference model, over windows of tokens.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/evaluate/evaluate.h"

namespace limbeck {
namespace {

constexpr std::size_t kLogitBytes = 64u << 20;  // of one model at a time
constexpr std::size_t kBlock = 128;             // adjacent tokens that count as one draw

struct Position {
  float nll = 0, kl = 0;
  bool same_top1 = false;
};

// log sum exp of the logits.
double log_total(std::span<const float> logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float z : logits) sum += std::exp(static_cast<double>(z) - top);
  return top + std::log(sum);
}

std::size_t top1(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// KL(p || q) of the two softmaxes, in nats; rounding may not make it negative.
double divergence(std::span<const float> p, double p_total, std::span<const float> q,
                  double q_total) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - p_total;
    sum += std::exp(log_p) * (log_p - (static_cast<double>(q[i]) - q_total));
  }
  return std::max(sum, 0.0);
}

class TextRun {
 public:
  TextRun(const Model& model, const Model* reference, ThreadPool& pool, std::int64_t context,
          const WindowOptions& given)
      : pool_(pool), vocab_(static_cast<std::size_t>(model.architecture().vocab_size)) {
    DecoderOptions options;
    options.context = context;
    options.beyond = given.beyond_context;
    if (reference != nullptr) reference_ = std::make_unique<Decoder>(*reference, pool, options);
    options.cache = given.cache;
    decoder_ = std::make_unique<Decoder>(model, pool, options);
  }

  // Adds the positions that predict window[first_target ..].
  void add(std::span<const TokenId> window, std::size_t first_target) {
    decoder_->truncate(0, 0);
    if (reference_) reference_->truncate(0, 0);
    const std::size_t step = std::max<std::size_t>(1, kLogitBytes / (vocab_ * sizeof(float)));
    const std::size_t inputs = window.size() - 1;  // the last token predicts nothing
    for (std::size_t begin = 0; begin < inputs; begin += step) {
      const std::size_t end = std::min(begin + step, inputs);
      Batch batch;
      std::size_t first_wanted = end;
      for (std::size_t i = begin; i < end; ++i) {
        const bool wanted = i + 1 >= first_target;
        if (wanted) first_wanted = std::min(first_wanted, i);
        batch.items.push_back({window[i], 0, wanted});
      }
      const auto logits = decoder_->forward(batch);
      const auto expected = reference_ ? reference_->forward(batch) : std::span<const float>{};
      score(logits, expected, window.subspan(first_wanted + 1, end - first_wanted));
    }
  }

  const std::vector<Position>& positions() const noexcept { return positions_; }

 private:
  void score(std::span<const float> logits, std::span<const float> expected,
             std::span<const TokenId> targets) {
    const std::size_t before = positions_.size();
    positions_.resize(before + targets.size());
    pool_.run(targets.size(), [&](std::size_t row) {
      const auto mine = logits.subspan(row * vocab_, vocab_);
      const double total = log_total(mine);
      Position& position = positions_[before + row];
      position.nll = static_cast<float>(
          total - static_cast<double>(mine[static_cast<std::size_t>(targets[row])]));
      if (expected.empty()) return;
      const auto theirs = expected.subspan(row * vocab_, vocab_);
      position.kl = static_cast<float>(divergence(theirs, log_total(theirs), mine, total));
      position.same_top1 = top1(mine) == top1(theirs);
    });
    for (std::size_t i = before; i < positions_.size(); ++i) {
      if (!std::isfinite(positions_[i].nll) || !std::isfinite(positions_[i].kl)) {
        fail(ErrorKind::numeric, "the model's output is not finite at predicted token {}", i + 1);
      }
    }
  }

  ThreadPool& pool_;
  std::size_t vocab_;
  std::unique_ptr<Decoder> decoder_, reference_;
  std::vector<Position> positions_;
};

// Small samples get smaller blocks, so that there are some twenty to draw from.
std::size_t block_of(std::size_t n) { return std::clamp<std::size_t>(n / 20, 1, kBlock); }

double quantile(const std::vector<float>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double weight = position - static_cast<double>(below);
  return (1 - weight) * static_cast<double>(sorted[below]) +
         weight * static_cast<double>(sorted[above]);
}

void add_reference(TextResult& result, const std::vector<Position>& positions) {
  std::vector<float> kl, same;
  for (const Position& position : positions) {
    kl.push_back(position.kl);
    same.push_back(position.same_top1 ? 1.0f : 0.0f);
  }
  const std::size_t block = block_of(kl.size());
  result.has_reference = true;
  result.kl = block_bootstrap_mean(kl, block);
  result.same_top1 = block_bootstrap_mean(same, block);
  std::sort(kl.begin(), kl.end());
  result.kl_median = quantile(kl, 0.5);
  result.kl_p999 = quantile(kl, 0.999);
  result.kl_max = static_cast<double>(kl.back());
}

void check_windows(std::span<const std::vector<TokenId>> windows, const WindowOptions& options,
                   const Model& model, const Model* reference) {
  const Architecture& mine = model.architecture();
  std::int64_t context = mine.context_length;
  if (reference != nullptr) {
    const Architecture& theirs = reference->architecture();
    context = std::min(context, theirs.context_length);
    const bool both = model.checkpoint().has_tokenizer() && reference->checkpoint().has_tokenizer();
    if (theirs.vocab_size != mine.vocab_size ||
        (both &&
         model.checkpoint().tokenizer().hash() != reference->checkpoint().tokenizer().hash())) {
      fail_try(ErrorKind::usage, "compare models of different vocabularies by bits_per_byte",
               "the model and the reference have different vocabularies, so there is no KL between "
               "them");
    }
  }
  if (options.first_target < 1)
    fail(ErrorKind::usage, "predictions begin at token 1 at the earliest");
  for (const auto& window : windows) {
    if (!options.beyond_context && static_cast<std::int64_t>(window.size()) > context) {
      fail_try(ErrorKind::usage, fmt::format("use windows of at most {} tokens", context),
               "a window has {} tokens, the context is {}", window.size(), context);
    }
  }
}

}  // namespace

TextResult evaluate_windows(const Model& model, const Tokenizer* tokenizer, ThreadPool& pool,
                            std::span<const std::vector<TokenId>> windows,
                            const WindowOptions& options, const Model* reference) {
  check_windows(windows, options, model, reference);
  std::size_t longest = 0, total = 0;
  for (const auto& window : windows) {
    longest = std::max(longest, window.size());
    total += window.size();
  }
  TextResult result;
  const auto first = static_cast<std::size_t>(options.first_target);
  TextRun run(model, reference, pool, static_cast<std::int64_t>(longest), options);
  Progress progress("evaluate", total, "tokens");
  std::size_t done = 0;
  for (const auto& window : windows) {
    stop_if_interrupted("run the command again");
    if (window.size() > first) run.add(window, first);
    for (std::size_t i = first; tokenizer != nullptr && i < window.size(); ++i) {
      result.bytes += static_cast<std::int64_t>(tokenizer->token_bytes(window[i]).size());
    }
    progress.update(done += window.size());
  }
  progress.finish();
  std::vector<float> nll;
  for (const Position& position : run.positions()) nll.push_back(position.nll);
  if (nll.empty()) fail(ErrorKind::usage, "the text has no token to predict");
  result.tokens = static_cast<std::int64_t>(nll.size());
  result.nll = std::accumulate(nll.begin(), nll.end(), 0.0);
  const Interval mean = block_bootstrap_mean(nll, block_of(nll.size()));
  result.perplexity = {std::exp(mean.value), std::exp(mean.low), std::exp(mean.high)};
  if (result.bytes > 0) {
    result.bits_per_byte = result.nll / std::log(2.0) / static_cast<double>(result.bytes);
  }
  if (reference != nullptr) add_reference(result, run.positions());
  return result;
}

TextResult evaluate_text(const Model& model, const Tokenizer& tokenizer, ThreadPool& pool,
                         std::string_view text, const TextOptions& options,
                         const Model* reference) {
  const auto windows = text_windows(tokenizer, text, options);
  const std::int64_t first = options.score_all ? 1 : options.context / 2 + 1;
  return evaluate_windows(model, &tokenizer, pool, windows,
                          {first, options.beyond_context, options.cache}, reference);
}

Json to_json(const TextResult& result) {
  Json json = {{"tokens", result.tokens},
               {"nll", result.nll},
               {"perplexity", result.perplexity.value},
               {"perplexity_low", result.perplexity.low},
               {"perplexity_high", result.perplexity.high}};
  if (result.bytes > 0) json["bits_per_byte"] = result.bits_per_byte;
  if (!result.has_reference) return json;
  json["kl"] = {{"mean", result.kl.value}, {"median", result.kl_median}, {"p999", result.kl_p999},
                {"max", result.kl_max},    {"low", result.kl.low},       {"high", result.kl.high}};
  json["same_top1"] = result.same_top1.value;
  json["same_top1_low"] = result.same_top1.low;
  json["same_top1_high"] = result.same_top1.high;
  return json;
}

}  // namespace limbeck

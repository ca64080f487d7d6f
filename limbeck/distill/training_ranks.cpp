// What the ranks of one run tell each other: where they start, the sums of each step, when to
// pause.
#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/distill/training.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kTroubleBytes = 512;

}  // namespace

// Random weights may differ in the last bit between machines: all start from rank 0's.
void Training::share_weights() {
  if (!in_.options.ranks) return;
  in_.options.ranks->broadcast(trained_.value, 0);
  trained_.update_compute();
}

void Training::share_start() {
  Ranks* ranks = in_.options.ranks;
  if (!ranks) return;
  const Json own = {{"identity", state_.identity},
                    {"resumed", resumed_},
                    {"step", state_.step},
                    {"tokens", state_.tokens},
                    {"target_tokens", state_.target_tokens},
                    {"stopped", state_.stopped},
                    {"answers", on_policy_ ? on_policy_->answers() : Json()}};
  JsonLimits limits;
  limits.bytes = std::size_t{1} << 30;
  const Json first = parse_json(ranks->from_first(to_text(own)), "rank 0's state", limits);
  if (ranks->first()) {
    // The others compare with the state before they are sent weights.
  } else if (first.at("identity") != state_.identity) {
    fail_try(ErrorKind::usage, "let every rank see the same files, under the same paths",
             "the rows, the frozen weights or the teacher are not those of rank 0");
  } else {
    state_.step = first.at("step");
    state_.tokens = first.at("tokens");
    state_.target_tokens = first.at("target_tokens");
    state_.stopped = first.at("stopped");
    if (on_policy_) on_policy_->restore(first.at("answers"));
  }
  if (!first.at("resumed").get<bool>()) return;
  // What is computed with may have been rounded some steps ago.
  const bool rounded = grid_ && state_.step > grid_from_;
  if (rounded && !ranks->first()) round_from_now_on();
  const at::Tensor forward = rounded ? trained_.forward.clone() : at::Tensor();
  share_weights();
  ranks->broadcast(optimizer_.first, 0);
  ranks->broadcast(optimizer_.second, 0);
  if (!rounded) return;
  ranks->broadcast(forward, 0);
  trained_.forward.copy_(forward);
  trained_.compute.copy_(forward);
}

void Training::sum_step() {
  Ranks* ranks = in_.options.ranks;
  if (!ranks) {
    if (!trouble_.empty()) diverged(trouble_);
    return;
  }
  // The sums, and one place a rank for the troubled.
  const std::vector<double> own = {last_.total,
                                   last_.cross_entropy,
                                   last_.soft,
                                   last_.inside,
                                   static_cast<double>(last_.targets),
                                   static_cast<double>(last_.soft_targets)};
  const auto n = std::ssize(own);
  auto sums = at::zeros({n + ranks->size()}, at::kDouble);
  auto* s = elements<double>(sums);
  std::copy(own.begin(), own.end(), s);
  s[n + ranks->rank()] = trouble_.empty() ? 0 : 1;
  ranks->sum(sums);
  last_ = {.total = s[0],
           .cross_entropy = s[1],
           .soft = s[2],
           .inside = s[3],
           .targets = static_cast<std::int64_t>(s[4]),
           .soft_targets = static_cast<std::int64_t>(s[5])};
  for (int rank = 0; rank < ranks->size(); ++rank) {
    if (s[n + rank] == 0) continue;
    std::string what = trouble_;
    what.resize(kTroubleBytes);
    ranks->broadcast(at::from_blob(what.data(), {kTroubleBytes}, at::kByte), rank);
    diverged(what.substr(0, what.find('\0')));
  }
  ranks->sum(trained_.grad);
}

void Training::share_answers(std::vector<std::vector<TokenId>>& answers) {
  Ranks* ranks = in_.options.ranks;
  if (!ranks) return;
  JsonLimits limits;
  limits.bytes = std::size_t{1} << 30;
  answers = parse_json(ranks->from_first(to_text(answers)), "rank 0's answers", limits)
                .get<std::vector<std::vector<TokenId>>>();
}

// Rank 0 says when to evaluate and to save; a signal may come to any of them.
Training::Pause Training::agree(Pause own) {
  Ranks* ranks = in_.options.ranks;
  if (!ranks) return own;
  if (!ranks->first()) own.evaluate = own.save = false;
  const auto flags = at::tensor(
      std::vector<double>{own.evaluate ? 1.0 : 0.0, own.save ? 1.0 : 0.0, own.stop ? 1.0 : 0.0},
      at::kDouble);
  ranks->sum(flags);
  const auto* f = elements<double>(flags);
  return {f[0] > 0, f[1] > 0, f[2] > 0};
}

void Training::end_pause(bool& stop) {
  Ranks* ranks = in_.options.ranks;
  if (!ranks) return;
  const auto verdict = ranks->from_first(stop ? "interrupted" : state_.stopped ? "stop" : "go on");
  stop = verdict == "interrupted";
  state_.stopped = verdict == "stop";
}

}  // namespace limbeck::distill

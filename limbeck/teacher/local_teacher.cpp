// A local model as teacher: greedy or sampled answers, and its distribution at each answer
// position: what it was when the token was generated, or by a forward pass over prompt and answer.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/base/sha256.h"
#include "limbeck/teacher/answer.h"
#include "limbeck/teacher/teacher.h"

namespace limbeck {
namespace {

constexpr std::size_t kChunk = 64;  // items between deliveries: what a kill can lose at most

SoftLabel top_k_label(std::span<const float> logprobs, int k) {
  std::vector<TokenId> order(logprobs.size());
  std::iota(order.begin(), order.end(), 0);
  const auto n = std::min(order.size(), static_cast<std::size_t>(k));
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(n);
  const auto at = [&](TokenId id) { return logprobs[static_cast<std::size_t>(id)]; };
  std::partial_sort(order.begin(), middle, order.end(),
                    [&](TokenId a, TokenId b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  SoftLabel label;
  for (auto id = order.begin(); id != middle; ++id) {
    label.ids.push_back(*id);
    label.values.push_back(at(*id));
  }
  return label;
}

// `draws` samples of the distribution: sorted uniforms walk its cumulative sum once.
SoftLabel sampled_label(std::span<const float> logprobs, int draws, Random& random) {
  std::vector<double> points(static_cast<std::size_t>(draws));
  for (double& p : points) p = random.uniform();
  std::sort(points.begin(), points.end());
  SoftLabel label;
  double cumulative = 0;
  std::size_t next = 0, last_possible = 0;
  const auto add = [&](std::size_t id, std::size_t count) {
    if (count == 0) return;
    label.ids.push_back(static_cast<TokenId>(id));
    label.values.push_back(static_cast<float>(count));
  };
  for (std::size_t id = 0; id < logprobs.size() && next < points.size(); ++id) {
    const double p = std::exp(static_cast<double>(logprobs[id]));
    if (p <= 0) continue;
    cumulative += p;
    last_possible = id;
    const std::size_t first = next;
    while (next < points.size() && points[next] < cumulative) ++next;
    add(id, next - first);
  }
  if (next < points.size()) {  // the sum fell short of 1 by rounding
    const std::size_t left = points.size() - next;
    if (!label.ids.empty() && label.ids.back() == static_cast<TokenId>(last_possible)) {
      label.values.back() += static_cast<float>(left);
    } else {
      add(last_possible, left);
    }
  }
  return label;
}

// A stream of random numbers for each prompt and answer, so that a label does not depend on what
// else is labelled, or in which order.
std::uint64_t stream_of(std::span<const TokenId> prompt, std::span<const TokenId> answer) {
  Sha256 hash;
  hash.add(std::as_bytes(prompt));
  hash.add(std::as_bytes(answer));
  return std::stoull(hash.hex().substr(0, 16), nullptr, 16);
}

class LocalTeacher : public Teacher {
 public:
  LocalTeacher(const Model& model, ThreadPool& pool)
      : model_(model), pool_(pool), identity_(model_hash(model.checkpoint())) {}

  const std::string& identity() const override { return identity_; }

  void answer(const Task& task, std::span<const Example> examples, const LabelRequest& request,
              const Deliver& deliver) override {
    const Tokenizer& tokenizer = model_.checkpoint().tokenizer();
    for (std::size_t begin = 0; begin < examples.size(); begin += kChunk) {
      const auto chunk = examples.subspan(begin, std::min(kChunk, examples.size() - begin));
      std::vector<std::vector<TokenId>> prompts;
      for (const Example& example : chunk) {
        prompts.push_back(task_prompt(tokenizer, task, example.input, request.style));
      }
      auto generated = generate_chunk(task, prompts, request);
      for (std::size_t i = 0; i < chunk.size(); ++i) {
        TeacherAnswer answer;
        answer.prompt_tokens = static_cast<std::int64_t>(prompts[i].size());
        answer.answer_tokens = static_cast<std::int64_t>(generated[i].ids.size());
        answer.logprob =
            std::accumulate(generated[i].logprobs.begin(), generated[i].logprobs.end(), 0.0);
        answer.text = generated[i].text;
        answer.ids = generated[i].ids;
        // Students learn the answer as its text is encoded, which constrained decoding may spell in
        // other tokens: soft labels belong to the former.
        if (request.signal != Signal::text) answer.ids = tokenizer.encode(answer.text, false);
        if (request.signal != Signal::text && !take_soft_labels(answer, generated[i])) {
          add_soft_labels(answer, prompts[i], request);
        }
        deliver(begin + i, std::move(answer));
      }
    }
  }

 private:
  // Sampled answers are drawn one by one, each from a stream of its prompt: they do not depend on
  // which others are still to be asked, so a resumed run draws the same.
  std::vector<Generated> generate_chunk(const Task& task,
                                        const std::vector<std::vector<TokenId>>& prompts,
                                        const LabelRequest& request) {
    GenerateOptions options;
    options.max_tokens = request.max_tokens;
    options.sampling.temperature = request.temperature;
    options.sampling.seed = request.seed;
    if (request.signal == Signal::top_k) {
      options.top_logprobs = request.k;
      options.stop_logprobs = true;
    }
    if (request.temperature <= 0) {
      return generate_answers(model_, pool_, task, prompts, options, request.constrained);
    }
    std::vector<Generated> answers;
    for (const auto& prompt : prompts) {
      options.sampling.stream = stream_of(prompt, {});
      answers.push_back(std::move(generate_answers(model_, pool_, task, std::span(&prompt, 1),
                                                   options, request.constrained)[0]));
    }
    return answers;
  }

  // What was told of each token while it was generated, where those are the answer's tokens and
  // their ends: no second pass then.
  static bool take_soft_labels(TeacherAnswer& answer, const Generated& generated) {
    if (generated.stop_top.empty() || generated.ids != answer.ids ||
        generated.top.size() != answer.ids.size()) {
      return false;
    }
    const auto take = [&](std::span<const TokenLogprob> top) {
      SoftLabel& label = answer.soft.emplace_back();
      for (const TokenLogprob& one : top) {
        label.ids.push_back(one.id);
        label.values.push_back(one.logprob);
      }
    };
    for (const auto& top : generated.top) take(top);
    take(generated.stop_top);
    return true;
  }

  // The distributions that predict each token of the answer and the stop token after it. Prompts of
  // one task begin alike: the decoder keeps what they share with the one before.
  void add_soft_labels(TeacherAnswer& answer, std::span<const TokenId> prompt,
                       const LabelRequest& request) {
    std::vector<TokenId> tokens(prompt.begin(), prompt.end());
    tokens.insert(tokens.end(), answer.ids.begin(), answer.ids.end());
    const auto length = static_cast<std::int64_t>(tokens.size());
    if (prompt.empty() || length > model_.architecture().context_length) return;
    make_room(length);
    std::size_t shared = 0;
    const std::size_t most = std::min(held_.size(), prompt.size() - 1);
    while (shared < most && held_[shared] == tokens[shared]) ++shared;
    decoder_->truncate(0, static_cast<std::int64_t>(shared));
    Batch batch;
    for (std::size_t i = shared; i < tokens.size(); ++i) {
      batch.items.push_back({tokens[i], 0, i + 1 >= prompt.size()});
    }
    const auto logits = decoder_->forward(batch);
    const auto vocab = static_cast<std::size_t>(model_.architecture().vocab_size);
    std::vector<float> logprobs(vocab);
    Random random(request.seed, stream_of(prompt, answer.ids));
    for (std::size_t position = 0; position <= answer.ids.size(); ++position) {
      log_softmax(logits.subspan(position * vocab, vocab), logprobs);
      answer.soft.push_back(request.signal == Signal::top_k
                                ? top_k_label(logprobs, request.k)
                                : sampled_label(logprobs, request.k, random));
    }
    held_ = std::move(tokens);
  }

  // A decoder for `length` positions, with some to spare: a model's whole context can be gigabytes.
  void make_room(std::int64_t length) {
    if (decoder_ && decoder_->context() >= length) return;
    DecoderOptions options;
    options.context = std::min(model_.architecture().context_length, length + length / 2);
    decoder_.reset();
    decoder_.emplace(model_, pool_, options);
    held_.clear();
  }

  const Model& model_;
  ThreadPool& pool_;
  std::string identity_;
  std::optional<Decoder> decoder_;
  std::vector<TokenId> held_;  // what the decoder holds
};

}  // namespace

std::unique_ptr<Teacher> local_teacher(const Model& model, ThreadPool& pool) {
  return std::make_unique<LocalTeacher>(model, pool);
}

std::string model_hash(const Checkpoint& checkpoint) {
  Sha256 hash;
  for (const NamedTensor& tensor : tensors_of(checkpoint)) {
    hash.add(fmt::format("{} {} {}\n", tensor.name, info(tensor.type).name,
                         fmt::join(tensor.shape, ",")));
    hash.add(tensor.make_bytes());
  }
  if (checkpoint.has_tokenizer()) hash.add(checkpoint.tokenizer().hash());
  return hash.hex();
}

}  // namespace limbeck

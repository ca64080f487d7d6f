#include "limbeck/evaluate/draft_gain.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>

#include "limbeck/evaluate/evaluate.h"
#include "limbeck/teacher/answer_form.h"

namespace limbeck {
namespace {

double seconds_taken(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  return std::max(spent.count(), 1e-9);
}

Interval spread(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  return {values[values.size() / 2], values.front(), values.back()};
}

// Room for the longest prompt and its answer, as generate_all has it.
DecoderOptions room_for(const Model& model, std::span<const std::vector<TokenId>> prompts,
                        std::int64_t answer) {
  std::int64_t longest = 1;
  for (const auto& prompt : prompts) longest = std::max(longest, std::ssize(prompt) + answer);
  return {.context = std::min(longest, model.architecture().context_length)};
}

std::vector<std::vector<TokenId>> prompts_of(const Model& model, const Task& task,
                                             std::span<const Example> examples, PromptStyle style) {
  std::vector<std::vector<TokenId>> prompts;
  for (const Example& example : examples)
    prompts.push_back(task_prompt(model.checkpoint().tokenizer(), task, example.input, style));
  return prompts;
}

}  // namespace

DraftGain measure_draft(const Model& target, const Model& draft, ThreadPool& pool, const Task& task,
                        std::span<const Example> examples, const DraftGainOptions& options,
                        const std::function<void(std::size_t done)>& on_done) {
  const Tokenizer& tokenizer = target.checkpoint().tokenizer();
  const DraftTokens tokens(tokenizer, draft.checkpoint().tokenizer());
  const AnswerForm form =
      answer_form(task, options.answers.max_tokens, options.answers.constrained);
  const TokenMask mask(token_texts(tokenizer));
  GenerateOptions generation;
  generation.max_tokens = form.max_tokens;
  generation.grammar = form.grammar ? &*form.grammar : nullptr;
  generation.mask = &mask;
  const auto prompts = prompts_of(target, task, examples, options.answers.style);
  const auto read_by_draft = prompts_of(draft, task, examples, options.draft_style);
  Decoder large(target, pool, room_for(target, prompts, form.max_tokens));
  Decoder small(draft, pool, room_for(draft, read_by_draft, form.max_tokens));

  DraftGain gain;
  std::vector<double> whole, generated;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    Answer& answer = gain.answers.emplace_back();
    if (std::ssize(prompts[i]) >= target.architecture().context_length) continue;
    constexpr double kNever = std::numeric_limits<double>::infinity();
    double prompt = kNever, alone = kNever, drafted = kNever;
    Generated plain, spoken;
    SpeculativeStats stats;
    const auto fastest = [&](double& best, const std::function<void()>& work) {
      large.truncate(0, 0);
      small.truncate(0, 0);
      best = std::min(best, seconds_taken(work));
    };
    for (int round = 0; round < options.rounds; ++round) {
      fastest(prompt, [&] { large.forward(prompts[i], false); });
      fastest(alone, [&] { plain = generate(large, tokenizer, prompts[i], generation); });
      stats = {};
      fastest(drafted, [&] {
        spoken =
            generate_speculative(large, small, tokenizer, tokens, {prompts[i], read_by_draft[i]},
                                 generation, options.speculative, stats);
      });
    }
    answer = {spoken.text, std::ssize(prompts[i]), std::ssize(spoken.ids),
              std::accumulate(spoken.logprobs.begin(), spoken.logprobs.end(), 0.0)};
    ++gain.items;
    gain.different += plain.ids != spoken.ids;
    gain.tokens += answer.answer_tokens;
    gain.stats.drafted += stats.drafted;
    gain.stats.accepted += stats.accepted;
    gain.stats.passes += stats.passes;
    gain.prompts_s += prompt;
    gain.alone_s += alone;
    gain.drafted_s += drafted;
    whole.push_back(alone / drafted);
    // An answer of one token is there with its prompt: nothing is left to be sooner.
    if (alone > prompt && drafted > prompt && answer.answer_tokens > 1)
      generated.push_back((alone - prompt) / (drafted - prompt));
    if (on_done) on_done(i + 1);
  }
  gain.whole = spread(std::move(whole));
  gain.generation = spread(std::move(generated));
  return gain;
}

Json to_json(const DraftGain& gain) {
  return {{"items", gain.items},
          {"different", gain.different},
          {"tokens", gain.tokens},
          {"drafted", gain.stats.drafted},
          {"accepted", gain.stats.accepted},
          {"passes", gain.stats.passes},
          {"prompts_s", gain.prompts_s},
          {"alone_s", gain.alone_s},
          {"drafted_s", gain.drafted_s},
          {"whole_times", to_json(gain.whole)},
          {"generation_times", to_json(gain.generation)}};
}

}  // namespace limbeck

// What a draft model gains its target on a task: the same greedy answers with and without it, one
// at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/thread_pool.h"
#include "limbeck/evaluate/statistics.h"
#include "limbeck/runtime/speculative.h"
#include "limbeck/task/task.h"
#include "limbeck/teacher/answer.h"

namespace limbeck {

struct DraftGainOptions {
  AnswerOptions answers;                        // of the target
  PromptStyle draft_style = PromptStyle::full;  // as the draft's manifest says: prompt_style_of
  SpeculativeOptions speculative;
  int rounds = 3;  // of each answer, in turns, > 0; the fastest of each counts
};

struct DraftGain {
  std::vector<Answer> answers;            // made with the draft
  std::int64_t items = 0, different = 0;  // answered; answers whose tokens differ: a bug
  std::int64_t tokens = 0;                // of the answers
  SpeculativeStats stats;
  // Seconds, summed over the items: the target's prompts alone, whole answers with their prompts
  // without the draft, and with it.
  double prompts_s = 0, alone_s = 0, drafted_s = 0;
  Interval whole, generation;  // times as fast; generation: without `prompts_s`. Median of the
                               // items, lowest and highest
};

// Throws as generate_speculative and DraftTokens do. answers[i] belongs to examples[i]; one whose
// prompt fills the context is empty.
DraftGain measure_draft(const Model& target, const Model& draft, ThreadPool& pool, const Task& task,
                        std::span<const Example> examples, const DraftGainOptions& options,
                        const std::function<void(std::size_t done)>& on_done = {});
Json to_json(const DraftGain& gain);

}  // namespace limbeck

// The on-policy phase: the last steps train on the student's own answers, judged by a local teacher
// (GKD, Agarwal et al. 2023, 2306.13649), which are made in rounds and used again from a buffer
// (DistiLLM, 2402.03898); or on pairs of both answers (DistiLLM-2, 2503.07067). Who answers in
// which step is a function of the seed alone.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "limbeck/distill/plan.h"

namespace limbeck::distill {

class OnPolicy {
 public:
  // `plan` and `rows` outlive this. context: tokens that a row may have.
  OnPolicy(const TrainOptions& options, std::span<const TrainRow> rows,
           const std::vector<StepPlan>& plan, std::int64_t context);

  bool covers(std::int64_t step) const { return step >= first_; }  // steps from 0

  // The prompts that need an answer before `step` (row numbers, rising): where a round begins
  // there, those of its steps, but for what the buffer serves again. Empty otherwise.
  std::vector<std::uint32_t> wanted(std::int64_t step) const;
  std::vector<TokenId> prompt(std::uint32_t row) const;
  // An answer in the student's tokens, with the token that ends it if the student ended it.
  void keep(std::uint32_t row, std::vector<TokenId> answer);

  struct Mix {
    std::vector<MicroBatch> teacher;     // of the training rows
    std::vector<TrainRow> student_rows;  // with the student's answers
    std::vector<MicroBatch> student;     // of student_rows
    std::int64_t tokens = 0, targets = 0;
  };
  Mix mix(std::int64_t step) const;

  // The buffer, for checkpoints: {"3": [ids], ..}.
  Json answers() const;
  void restore(const Json& answers);

 private:
  struct Choice {
    std::uint32_t row;
    bool student, teacher;  // whose answer trains in this step
    bool again;             // an answer in the buffer will do
  };
  std::vector<Choice> choices(std::int64_t step) const;

  const TrainOptions& options_;
  std::span<const TrainRow> rows_;
  const std::vector<StepPlan>& plan_;
  std::int64_t first_, context_;
  std::map<std::uint32_t, std::vector<TokenId>> buffer_;
};

}  // namespace limbeck::distill

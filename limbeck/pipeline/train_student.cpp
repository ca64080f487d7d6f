#include "limbeck/pipeline/train_student.h"

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/distill/train_data.h"
#include "limbeck/runtime/generate.h"
#include "limbeck/teacher/label.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::pipeline {
namespace {

std::vector<TokenId> prompt_of(const StudentRun& run, const Tokenizer& tokenizer, std::size_t row,
                               PromptStyle style) {
  const Example& example = run.examples[run.set.example[row]];
  return chat_prompt(tokenizer, prompt_messages(run.task, example.input, style));
}

// The rows' texts as the teacher reads and writes them.
std::vector<distill::TrainRow> teacher_rows(const StudentRun& run, const Tokenizer& teachers,
                                            PromptStyle style) {
  std::vector<distill::TrainRow> rows;
  for (std::size_t i = 0; i < run.set.rows.size(); ++i) {
    rows.push_back(distill::answer_row(teachers, prompt_of(run, teachers, i, style),
                                       run.answers[run.set.example[i]].text,
                                       /*answers_only=*/true));
  }
  return rows;
}

void check_asked(const StudentRun& run, bool same_vocabulary) {
  const auto& o = run.options;
  if (is_endpoint(run.teacher)) {
    fail_try(ErrorKind::usage, "leave these out, or give a local teacher",
             "on_policy, loss uld, hidden and attention need the teacher's weights, and {} is an "
             "endpoint",
             run.teacher);
  }
  if (o.on_policy.share > 0 && run.task.kind == TaskKind::classification) {
    fail_try(ErrorKind::usage, "leave on_policy out",
             "on_policy is not offered for classification: an answer is one label of a few tokens, "
             "so the teacher's soft labels on it say all that it could say about the student's own "
             "answers, and rollouts would only cost time");
  }
  if (o.loss != distill::Loss::uld && !same_vocabulary) {
    fail_try(ErrorKind::usage, "set loss: uld, which compares across vocabularies",
             "the student's vocabulary differs from the teacher's: on_policy, hidden and attention "
             "cannot be used");
  }
}

}  // namespace

bool needs_teacher(const distill::TrainOptions& o) {
  return o.on_policy.share > 0 || o.loss == distill::Loss::uld || o.hidden.weight > 0 ||
         o.attention.weight > 0;
}

distill::TrainResult train_by_options(const StudentRun& run, const Json& manifest,
                                      ThreadPool& pool) {
  auto& rows = run.set.rows;
  if (!needs_teacher(run.options)) {
    return distill::train(run.start, run.tokenizer, rows, run.options, run.dev, run.output,
                          manifest);
  }
  const bool endpoint = is_endpoint(run.teacher);
  const Tokenizer teachers =
      endpoint ? Tokenizer::open(run.start.model) : Tokenizer::open(run.teacher);
  check_asked(run, run.tokenizer.hash() == teachers.hash());
  const PromptStyle style = prompt_style_of(Checkpoint::open(run.teacher).manifest());
  if (run.options.loss == distill::Loss::uld) {
    for (auto& row : rows) row.soft.clear();  // of a vocabulary that is not compared by tokens
    return distill::train_across_tokenizers(run.start, run.teacher,
                                            teacher_rows(run, teachers, style), run.tokenizer, rows,
                                            run.options, run.dev, run.output, manifest);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto prompt = prompt_of(run, teachers, i, style);
    const std::span own(rows[i].tokens.data(), static_cast<std::size_t>(rows[i].first_target));
    if (!std::equal(prompt.begin(), prompt.end(), own.begin(), own.end())) {
      rows[i].teacher_prompt = std::move(prompt);
    }
  }
  if (run.options.on_policy.share > 0) {
    return distill::train_on_policy(run.start, run.teacher, rollout_by_runtime(pool), run.tokenizer,
                                    rows, run.options, run.dev, run.output, manifest);
  }
  return distill::train_from_teacher(run.start, run.teacher, run.tokenizer, rows, run.options,
                                     run.dev, run.output, manifest);
}

distill::Rollout rollout_by_runtime(ThreadPool& pool) {
  return [&pool](const std::filesystem::path& folder, std::span<const std::vector<TokenId>> prompts,
                 const distill::RolloutRequest& request) {
    const Checkpoint checkpoint = Checkpoint::open(folder);
    const Model model(checkpoint);
    const Tokenizer tokenizer = Tokenizer::open(folder);
    GenerateOptions options;
    options.max_tokens = request.max_tokens;
    options.sampling.temperature = request.temperature;
    options.sampling.seed = request.seed;
    Progress progress("rollout", prompts.size(), "answers");
    const auto generated = generate_all(model, tokenizer, pool, prompts, options,
                                        [&](std::size_t done) { progress.update(done); });
    progress.finish();
    std::vector<std::vector<TokenId>> answers;
    for (const Generated& one : generated) {
      answers.push_back(one.ids);
      if (one.finish == Generated::Finish::stop) answers.back().push_back(answer_end(tokenizer));
    }
    return answers;
  };
}

}  // namespace limbeck::pipeline

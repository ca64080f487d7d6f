#include "limbeck/pipeline/training_steps.h"

#include "limbeck/base/progress.h"
#include "limbeck/evaluate/evaluate.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/text/bpe_trainer.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::pipeline {

double task_score(const std::filesystem::path& folder, const Task& task,
                  std::span<const Example> examples, PromptStyle style, ThreadPool& pool) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const Model model(checkpoint);
  AnswerOptions options;
  options.style = style;
  const TaskResult result =
      score_task(task, examples, answer_locally(model, pool, task, examples, options));
  return result.metrics.at(result.primary).value;
}

Json to_json(const distill::TrainResult& result) {
  return {{"steps", result.steps},
          {"tokens", result.tokens},
          {"target_tokens", result.target_tokens},
          {"seconds", result.seconds},
          {"final_loss", result.final_loss},
          {"dev_metric", result.best_metric},
          {"best_step", result.best_step},
          {"peak_bytes", result.peak_bytes}};
}

distill::Start start_of(const ModelStart& start) {
  distill::Start from;
  from.model = start.model;
  if (start.shape) from.shape = *start.shape;
  return from;
}

std::int64_t context_of(const ModelStart& start, const std::string& teacher) {
  if (start.cut) return read_architecture(teacher).context_length;
  return start.shape ? start.shape->context_length : read_architecture(start.model).context_length;
}

void warn_of_left_out(const RowSet& set, std::string_view what) {
  if (set.too_long > 0)
    say(fmt::format("{}: {} rows left out, longer than the context", what, set.too_long));
  if (set.invalid > 0)
    say(fmt::format("{}: {} answers left out, not of the task's form", what, set.invalid));
}

Tokenizer task_tokenizer(int vocab_size, const Texts& texts) {
  BpeTrainOptions options;
  options.vocab_size = vocab_size;
  options.chat_template = kDefaultChatTemplate;
  const TrainedTokenizer trained = train_bpe(texts, options);
  return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json,
                              "the tokenizer trained here");
}

}  // namespace limbeck::pipeline

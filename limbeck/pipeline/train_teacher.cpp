// A local teacher, trained on the task's gold outputs.
#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/sha256.h"
#include "limbeck/evaluate/evaluate.h"
#include "limbeck/format/rows.h"
#include "limbeck/pipeline/distill_task.h"
#include "limbeck/pipeline/training_steps.h"

namespace limbeck::pipeline {
namespace {

// The tokenizer of a fresh teacher: taken from a model, or trained on the task's own texts.
Tokenizer teacher_tokenizer(const TeacherTraining& training, const Task& task) {
  if (!training.start.model.empty()) return Tokenizer::open(training.start.model);
  if (!training.tokenizer.empty()) return Tokenizer::open(training.tokenizer);
  return task_tokenizer(
      training.vocab_size, [&](const std::function<void(std::string_view)>& take) {
        for (const Example& example : task.train) {
          for (const Json& message : prompt_messages(task, example.input, training.style))
            take(message.at("content").get<std::string>());
          if (example.output) take(answer_text(task, *example.output));
        }
      });
}

std::vector<std::string> answers_of(const std::filesystem::path& folder, const Task& task,
                                    std::span<const Example> examples, PromptStyle style,
                                    ThreadPool& pool) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const Model model(checkpoint);
  AnswerOptions options;
  options.style = style;
  std::vector<std::string> texts;
  for (Answer& answer : answer_locally(model, pool, task, examples, options))
    texts.push_back(std::move(answer.text));
  return texts;
}

// What cross_fit keeps of `examples`; what it leaves out is in `work`, with the answers that
// contradicted it. A fold's answers are kept there too: a killed run goes on behind them.
Json leave_out_contradicted(const TeacherTraining& training, distill::TrainOptions options,
                            const Task& task, const Tokenizer& tokenizer,
                            const std::filesystem::path& work, std::vector<Example>& examples,
                            ThreadPool& pool) {
  options.evaluations = 0;
  CrossFitted judged = cross_fit(
      task, examples, training.cross_fit, options.seed,
      [&](const std::string& name, std::span<const Example> train,
          std::span<const Example> held_out) {
        const auto folder = work / name;
        const RowSet set =
            gold_rows(tokenizer, task, train, training.style, context_of(training.start));
        Sha256 hash;
        for (const Example& example : train)
          hash.add(to_text({example.input, *example.output})).add("\n");
        for (const Example& example : held_out) hash.add(to_text(example.input)).add("\n");
        const std::string key = hash.hex();
        const auto done = folder / "answers.json";
        if (std::filesystem::exists(done)) {
          const Json kept = read_json_file(done.string());
          if (kept.value("rows", "") == key) return kept["answers"].get<std::vector<std::string>>();
        }
        std::filesystem::create_directories(folder);
        options.checkpoint_folder = folder;
        distill::train(start_of(training.start), tokenizer, set.rows, options, {}, folder / "model",
                       {{"prompt", limbeck::name(training.style)}, {"task", task.name}});
        auto texts = answers_of(folder / "model", task, held_out, training.style, pool);
        write_file(done, to_text({{"rows", key}, {"answers", texts}}) + "\n");
        std::filesystem::remove_all(folder / "model");
        return texts;
      });
  examples = std::move(judged.kept);
  std::vector<Json> rejects(judged.rejects.begin(), judged.rejects.end());
  write_jsonl(work / "contradicted.jsonl", rejects);
  return judged.report;
}

}  // namespace

Json train_teacher(const TeacherTraining& training, const Task& task, double dev_fraction,
                   const std::filesystem::path& work, const std::filesystem::path& output,
                   ThreadPool& pool) {
  Split split = split_dev(task.train, dev_fraction, training.train.seed);
  const Tokenizer tokenizer = teacher_tokenizer(training, task);
  distill::TrainOptions options = training.train;
  options.threads = pool.size();
  std::filesystem::create_directories(work);
  Json judged;
  if (training.cross_fit.folds > 0)
    judged = leave_out_contradicted(training, options, task, tokenizer, work, split.train, pool);
  const RowSet set =
      gold_rows(tokenizer, task, split.train, training.style, context_of(training.start));
  warn_of_left_out(set, "teacher");
  if (set.rows.empty())
    fail_try(ErrorKind::usage, "give outputs in train.jsonl, or a teacher that is trained already",
             "{}: no training example has an output to train the teacher on", task.folder.string());
  options.checkpoint_folder = work;
  options.metrics_file = work / "metrics.jsonl";
  Json manifest = {{"prompt", name(training.style)},
                   {"task", task.name},
                   {"training", {{"method", "fine-tuning on gold outputs"}}}};
  const auto dev = [&](const std::filesystem::path& folder) {
    return task_score(folder, task, split.dev, training.style, pool);
  };
  if (!judged.is_null()) manifest["training"]["cross_fit"] = judged;
  Json result = to_json(distill::train(start_of(training.start), tokenizer, set.rows, options, dev,
                                       output, manifest));
  if (!judged.is_null()) result["cross_fit"] = judged;
  return result;
}

}  // namespace limbeck::pipeline

// limbeck distill: a teacher, a task and a student; out comes a specialist.
#include <filesystem>
#include <fstream>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/yaml.h"
#include "limbeck/cli/ranks.h"
#include "limbeck/cli/teacher_options.h"
#include "limbeck/distill/train_options.h"
#include "limbeck/model/mixes.h"
#include "limbeck/pipeline/distill_task.h"
#include "limbeck/pipeline/model_card.h"
#include "limbeck/pipeline/run_folder.h"
#include "limbeck/pipeline/train_student.h"
#include "limbeck/teacher/label.h"

namespace limbeck::cli {
namespace {

constexpr const char* kDistillExamples =
    "limbeck distill --teacher teacher --student '{hidden: 64, layers: 3, heads: 4}' --task "
    "tasks/routing -o student\n"
    "limbeck distill --teacher big.gguf --student small-model --task tasks/routing -o student "
    "--epochs 4";

// A folder or file, or a shape in YAML flow style: {hidden: 64, layers: 3, heads: 4}.
pipeline::ModelStart parse_student(const std::string& text) {
  pipeline::ModelStart start;
  if (text.starts_with('{')) {
    start.shape = pipeline::read_shape(parse_yaml(text, "--student"), "--student");
  } else {
    start.model = text;
  }
  return start;
}

}  // namespace

int run_distill(int argc, char** argv) {
  TeacherChoice teacher;
  std::string student, task_folder, output, signal = "top_k", config;
  bool dry_run = false;
  double gate = -1;
  pipeline::LabelTask labels;
  pipeline::StudentTraining training;
  training.options.epochs = 6;
  LabelRequest& request = labels.request;
  Arguments arguments(
      "distill",
      "Train a small student on a teacher's answers to one task: the teacher is "
      "evaluated first, answers (and soft labels) go to a store that is\n"
      "never paid for twice, the student learns 0.5 cross-entropy + 0.5 forward KL "
      "on answer tokens, and the best by the task metric is kept. Training options (--config): "
      "loss, "
      "soft_weight, temperature, epochs, learning_rate, batch_tokens, lora, on_policy, "
      "hidden, attention, ema, patience, ..: docs/distillation.md",
      kDistillExamples);
  CLI::App& app = arguments.app();
  app.add_option("--teacher", teacher.model,
                 "Model folder, .gguf file, or http://host:port/v1#name")
      ->required();
  app.add_option("--student", student,
                 "Model to start from, or a shape: {hidden: 64, layers: 3, heads: 4}")
      ->required();
  app.add_option("--task", task_folder, "Task folder")->required();
  app.add_option("-o,--output", output, "Folder to write the student to")->required();
  app.add_option("--gate", gate,
                 "Least score of the teacher, 0: not asked; default .80, tool calling .70")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--signal", signal, "What is learnt: text, top_k or sampled")
      ->check(CLI::IsMember({"text", "top_k", "sampled"}))
      ->capture_default_str();
  app.add_option("--k", request.k, "Soft-label entries (top_k) or draws (sampled) a token")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--limit", labels.limit, "Training inputs to use; 0: all")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--epochs", training.options.epochs, "Passes over the answers")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--learning-rate", training.options.learning_rate, "Peak learning rate")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option(
         "--lora", training.options.lora.r,
         "Train adapters of this rank on frozen weights, merged when the student is written; "
         "0: all weights")
      ->check(CLI::Range(0, 1 << 14))
      ->capture_default_str();
  app.add_option("--quantize", training.options.quantize.type,
                 "Train the last half of the steps on weights rounded to this type");
  app.add_option("--config", config,
                 "YAML file with any training option (loss, soft_weight, temperature, ...)");
  app.add_flag("--dry-run", dry_run, "Say what the teacher will be asked, and stop");
  add_endpoint_options(app, teacher.budget);
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;
  check_budget(teacher.budget, "limbeck distill");

  return on_ranks(arguments.common(), [&](distill::Ranks* ranks) {
    if (!config.empty()) {
      const Json json = read_yaml_file(config);
      Fields fields(json, config);
      training.options = distill::read_train_options(fields, training.options);
      fields.refuse_unknown();
    }
    if (std::string& type = training.options.quantize.type; !type.empty())
      type = find_mix(type).name;
    training.options.ranks = ranks;
    training.start = parse_student(student);
    training.options.seed = request.seed = arguments.common().seed;
    request.signal = signal_of(signal);
    const Task task = read_task(task_folder);
    for (const std::string& note : task.notes) say(fmt::format("{}: {}", task.name, note));
    ThreadPool pool(arguments.common().threads);
    const std::filesystem::path work =
        output + ".work";  // store and checkpoints: a killed run goes on from here
    labels.store = work / "answers.sqlite";
    if (is_endpoint(teacher.model) && request.signal != Signal::text)
      teacher.vocabulary = training.start.model;
    // What an endpoint says of its probabilities is of use only in a vocabulary that is known.
    if (is_endpoint(teacher.model) && teacher.vocabulary.empty()) request.signal = Signal::text;
    training.vocabulary = teacher.vocabulary;
    training.soft_labels =
        request.signal != Signal::text || pipeline::needs_teacher(training.options);
    labels.gate = gate != 0;
    if (dry_run) {
      print(to_text(pipeline::estimate_task(teacher, task, labels, pool), 2) + "\n");
      return 0;
    }
    const Json gated = pipeline::gate(
        teacher, task, std::nullopt, pipeline::gate_threshold(task.kind, gate), labels.store, pool);
    const auto labelled = pipeline::label_task(teacher, task, labels, pool);
    training.teacher_hash = pipeline::content_hash(teacher.model);
    const Json trained = pipeline::train_student(training, teacher.model, task, labelled,
                                                 work / "checkpoints", output, pool);
    pipeline::CardFacts card;
    card.base = is_endpoint(teacher.model)
                    ? teacher.model
                    : std::filesystem::path(teacher.model).lexically_normal().filename().string();
    card.base_relation = "finetune";
    card.license = pipeline::license_of(teacher.model);
    pipeline::write_card(output, card);
    if (arguments.common().json) {
      print_json({{"gate", gated},
                  {"labels", labelled.summary},
                  {"training", trained},
                  {"output", output}});
    } else {
      print(fmt::format("Student: {} (agrees with the teacher on {:.1f} % of the dev split)\n",
                        output, 100 * trained.at("dev_metric").get<double>()));
    }
    return 0;
  });
}

}  // namespace limbeck::cli

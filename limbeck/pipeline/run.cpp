#include "limbeck/pipeline/run.h"

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/pipeline/compare.h"
#include "limbeck/pipeline/control.h"
#include "limbeck/pipeline/distill_task.h"
#include "limbeck/pipeline/model_card.h"
#include "limbeck/pipeline/quantized_form.h"
#include "limbeck/pipeline/run_folder.h"

namespace limbeck::pipeline {
namespace {

constexpr const char* kResume = "limbeck resume RUN (limbeck runs names it)";

TeacherChoice teacher_choice(const Recipe& recipe, const std::string& teacher) {
  const bool soft = is_endpoint(teacher) && recipe.label.signal != Signal::text;
  return {teacher, recipe.budget, soft ? vocabulary_of(recipe) : std::filesystem::path()};
}

LabelTask label_task_of(const Recipe& recipe, const std::filesystem::path& store) {
  return {recipe.label, recipe.teacher_style, recipe.label_limit, recipe.dev_fraction,
          store,        recipe.gate != 0};
}

// The stages of one run, in order. Each method is one stage; its key covers everything it depends
// on.
class Run {
 public:
  Run(const Recipe& recipe, const RunOptions& options, ThreadPool& pool)
      : recipe_(recipe),
        options_(options),
        pool_(pool),
        folder_(options.folder),
        task_(read_task(recipe.task)) {
    write_file(folder_.path() / "recipe.yaml", read_file(options.recipe, 1 << 20));
    // Where the recipe lies: its relative paths start there (limbeck resume).
    write_file(folder_.path() / "origin.json",
               to_text({{"recipe", std::filesystem::absolute(options.recipe).string()}}) + "\n");
    write_file(folder_.path() / "recipe.resolved.json", to_text(recipe.resolved, 1) + "\n");
    for (const std::string& note : task_.notes) say(fmt::format("{}: {}", task_.name, note));
  }

  Json all() {
    folder_.set_state("running");
    task_hash_ = task_hash(task_);
    make_teacher();
    if (recipe_.student) make_students();
    for (const QuantizeStep& step : recipe_.quantize) quantize(step);
    Json results = measure();
    folder_.set_state("done");
    return results;
  }

  RunFolder& folder() { return folder_; }

 private:
  void make_students() {
    gate_teacher();
    label();
    for (const std::uint64_t seed : recipe_.seeds) {
      distill(student("student", seed), true, seed);
      if (recipe_.control) distill(student("student-control", seed), false, seed);
    }
  }

  std::filesystem::path model(const std::string& name) const {
    return folder_.path() / "models" / name;
  }
  std::filesystem::path work(const std::string& name) const {
    return folder_.path() / "checkpoints" / name;
  }

  // A model that teaches nobody is called no teacher.
  std::string original() const { return recipe_.student ? "teacher" : "original"; }

  std::filesystem::path store() const { return folder_.path() / "teacher" / "answers.sqlite"; }
  TeacherChoice choice() const { return teacher_choice(recipe_, teacher_); }

  void make_teacher() {
    teacher_ = recipe_.teacher;
    if (recipe_.teacher_training) {
      teacher_ = model("teacher").string();
      const std::string key = key_of({"teacher", recipe_.resolved.at("teacher"), recipe_.seed,
                                      recipe_.dev_fraction, task_hash_});
      folder_.stage("teacher", key, [&] {
        return train_teacher(*recipe_.teacher_training, task_, recipe_.dev_fraction,
                             work("teacher"), teacher_, pool_);
      });
    }
    teacher_hash_ = content_hash(teacher_);
    stop_if_interrupted(kResume);
  }

  void gate_teacher() {
    const double threshold = gate_threshold(task_.kind, recipe_.gate);
    folder_.stage("gate", key_of({"gate", teacher_hash_, task_hash_, threshold}), [&] {
      return gate(choice(), task_, recipe_.teacher_style, threshold, store(), pool_);
    });
    stop_if_interrupted(kResume);
  }

  void label() {
    label_key_ = key_of({"label", teacher_hash_, choice().vocabulary.string(), task_hash_,
                         recipe_.resolved.at("label"), recipe_.seed});
    const auto work = [&] {
      labelled_ = label_task(choice(), task_, label_task_of(recipe_, store()), pool_);
      return labelled_->summary;
    };
    folder_.stage("label", label_key_, work);
    relabel_ = work;
    stop_if_interrupted(kResume);
  }

  // The answers, read back from the store when labelling was done in an earlier process.
  const Labelled& labelled() {
    if (!labelled_) relabel_();
    return *labelled_;
  }

  // The first seed's student is the one that is quantized and shown.
  std::string student(const std::string& name, std::uint64_t seed) const {
    return seed == recipe_.seeds[0] ? name : fmt::format("{}-seed{}", name, seed);
  }

  void distill(const std::string& name, bool soft, std::uint64_t seed) {
    const std::string key = key_of({"distill", label_key_, recipe_.resolved.at("student"),
                                    recipe_.resolved.at("distill"), soft, seed});
    folder_.stage(name, key, [&] {
      StudentTraining training{*recipe_.student, recipe_.distill, soft, teacher_hash_,
                               choice().vocabulary};
      training.options.seed = seed;
      return train_student(training, teacher_, task_, labelled(), work(name), model(name), pool_);
    });
    stop_if_interrupted(kResume);
  }

  void quantize(const QuantizeStep& step) {
    const std::string source = step.of_teacher ? teacher_ : model("student").string();
    const std::string name =
        fmt::format("{}-{}", step.of_teacher ? original() : "student", step.name);
    const auto output = model(name + ".gguf");
    const std::string key = key_of({"quantize", content_hash(source), step.form.label(),
                                    step.method, step.method == "rtn" ? "" : task_hash_});
    folder_.stage("quantize " + name, key, [&] {
      const Checkpoint checkpoint = Checkpoint::open(source);
      // What the quantized model will be asked; never the texts that it is measured on.
      const std::string text = calibration_text(task_, prompt_style_of(checkpoint.manifest()));
      const QuantizeResult result =
          quantize_form(checkpoint, step.form, step.method, text, output, pool_);
      for (const std::string& note : result.notes) say(fmt::format("{}: {}", name, note));
      say(fmt::format("quantize: {} {:.2f} bits per weight, {} bytes", name, result.bits_per_weight,
                      result.bytes));
      return Json{{"bytes", result.bytes},
                  {"method", result.method},
                  {"bits_per_weight", result.bits_per_weight},
                  {"seconds", result.seconds}};
    });
    quantized_.push_back({name, output.string(),
                          step.of_teacher ? "quantized" : "distilled+quantized",
                          step.of_teacher ? original() : "student"});
    stop_if_interrupted(kResume);
  }

  // Students against their controls, of all seeds.
  Json judge() {
    std::vector<Example> examples = task_.test;
    if (recipe_.compare_limit > 0 &&
        static_cast<std::int64_t>(examples.size()) > recipe_.compare_limit)
      examples.resize(static_cast<std::size_t>(recipe_.compare_limit));
    Json models = Json::array();
    for (const std::uint64_t seed : recipe_.seeds) {
      models.push_back(content_hash(model(student("student", seed))));
      if (recipe_.control) models.push_back(content_hash(model(student("student-control", seed))));
    }
    return folder_.stage("control", key_of({"control", models, task_hash_, examples.size()}), [&] {
      std::vector<SeedScores> scores;
      for (const std::uint64_t seed : recipe_.seeds) {
        SeedScores one{
            seed, item_scores(model(student("student", seed)), task_, examples, pool_), {}};
        if (recipe_.control)
          one.without =
              item_scores(model(student("student-control", seed)), task_, examples, pool_);
        scores.push_back(std::move(one));
        stop_if_interrupted(kResume);
      }
      return judge_soft_labels(std::string(primary_metric(task_.kind)), scores, recipe_.seed);
    });
  }

  Json measure() {
    CompareOptions compare_options;
    compare_options.models.push_back({original(), teacher_, "original", ""});
    for (const ComparedModel& model : quantized_) {
      if (model.role == "quantized") compare_options.models.push_back(model);
    }
    if (recipe_.student)
      compare_options.models.push_back({"student", model("student").string(), "distilled", ""});
    if (recipe_.control)
      compare_options.models.push_back(
          {"student-control", model("student-control").string(), "trained on texts", ""});
    for (const ComparedModel& model : quantized_) {
      if (model.role != "quantized") compare_options.models.push_back(model);
    }
    compare_options.tasks.push_back(recipe_.task);
    compare_options.tasks.insert(compare_options.tasks.end(), recipe_.other_tasks.begin(),
                                 recipe_.other_tasks.end());
    compare_options.texts = recipe_.texts;
    compare_options.bits = recipe_.compare_bits;
    compare_options.limit = recipe_.compare_limit;
    compare_options.speed = recipe_.compare_speed_s > 0;
    compare_options.speed_s = recipe_.compare_speed_s;
    compare_options.seed = recipe_.seed;
    compare_options.command = options_.command;
    compare_options.cache = folder_.path() / "cache";
    Json hashes = Json::array();
    for (const ComparedModel& compared : compare_options.models)
      hashes.push_back(content_hash(compared.path));
    Json results = folder_.stage(
        "compare", key_of({"compare", hashes, task_hash_, recipe_.resolved.at("compare")}),
        [&] { return compare(compare_options, pool_); });
    if (recipe_.student && (recipe_.control || recipe_.seeds.size() > 1)) {
      results["soft_labels"] = judge();
      if (const auto found = results["soft_labels"].find("sentence");
          found != results["soft_labels"].end())
        results["verdict"]["reasons"].push_back(*found);
    }
    write_reports(results, folder_.path());
    write_cards(results, folder_.path());
    return results;
  }

  const Recipe& recipe_;
  const RunOptions& options_;
  ThreadPool& pool_;
  RunFolder folder_;
  Task task_;
  std::string task_hash_, teacher_, teacher_hash_, label_key_;
  std::optional<Labelled> labelled_;
  std::function<Json()> relabel_;
  std::vector<ComparedModel> quantized_;
};

}  // namespace

Json dry_run(const Recipe& recipe, ThreadPool& pool) {
  const Task task = read_task(recipe.task);
  if (!recipe.student) return {{"recipe", recipe.resolved}};  // nothing will be asked
  return {{"recipe", recipe.resolved},
          {"estimate", estimate_task(teacher_choice(recipe, recipe.teacher), task,
                                     label_task_of(recipe, {}), pool)}};
}

Json run(const Recipe& recipe, const RunOptions& options, ThreadPool& pool) {
  Run stages(recipe, options, pool);
  try {
    return stages.all();
  } catch (const Error& error) {
    stages.folder().event("stopped", {{"kind", name(error.kind())}, {"message", error.what()}});
    stages.folder().set_state(error.kind() == ErrorKind::interrupted ? "interrupted" : "failed");
    throw;
  }
}

}  // namespace limbeck::pipeline

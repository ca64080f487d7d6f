#include "limbeck/pipeline/recipe.h"

#include <algorithm>
#include <map>
#include <set>

#include "limbeck/base/fields.h"
#include "limbeck/base/terminal.h"
#include "limbeck/base/yaml.h"
#include "limbeck/model/mixes.h"
#include "limbeck/pipeline/bits_curve.h"
#include "limbeck/task/data.h"

namespace limbeck::pipeline {
namespace {

class RecipeReader {
 public:
  RecipeReader(const Json& json, const std::filesystem::path& path)
      : json_(json),
        file_(path.string()),
        folder_(path.has_parent_path() ? path.parent_path() : ".") {}

  Recipe read() {
    Fields top(json_, file_);
    // A misspelt key first: it explains the one that seems to be missing.
    for (const char* key : {"task", "name", "seed", "seeds", "teacher", "label", "student",
                            "distill", "quantize", "compare"})
      top.find(key);
    top.refuse_unknown();
    Recipe recipe;
    recipe.task = required_path(top, "task");
    recipe.name = top.text("name", recipe.task.filename().string());
    recipe.seed = static_cast<std::uint64_t>(top.integer("seed", 1, 0));
    read_seeds(top, recipe);
    if (!top.has("teacher")) fail(ErrorKind::usage, "{}: teacher: is missing", file_);
    read_teacher(*top.find("teacher"), recipe);
    if (const Json* student = top.find("student"))
      recipe.student = read_start(*student, folder_, where("student"), true);
    else
      check_no_student(top, recipe);
    recipe.label.signal = signal_without_word(recipe);
    if (const Json* label = top.find("label")) read_label(*label, recipe);
    recipe.distill = student_defaults();
    if (const Json* distill = top.find("distill")) {
      Fields fields(*distill, where("distill"));
      recipe.control = fields.flag("control", false);
      recipe.distill = distill::read_train_options(fields, recipe.distill);
      fields.refuse_unknown();
    }
    if (const Json* steps = top.find("quantize")) read_quantize(*steps, recipe);
    add_trained_type(recipe);
    name_steps(recipe);
    check_signal(recipe);
    if (const Json* compare = top.find("compare")) read_compare(*compare, recipe);
    recipe.distill.seed = recipe.label.seed = recipe.seed;
    if (recipe.teacher_training) recipe.teacher_training->train.seed = recipe.seed;
    recipe.resolved = to_json(recipe);
    return recipe;
  }

 private:
  std::string where(const std::string& key) const { return file_ + ": " + key; }

  static void read_seeds(Fields& top, Recipe& recipe) {
    const Json* list = top.find("seeds");
    if (!list) {
      recipe.seeds = {recipe.seed};
      return;
    }
    if (!list->is_array() || list->empty()) top.refuse("seeds", "must be a list of numbers");
    std::set<std::uint64_t> seen;
    for (const Json& seed : *list) {
      if (!seed.is_number_integer() || seed.get<std::int64_t>() < 0)
        top.refuse("seeds", "must be a list of numbers >= 0");
      const auto value = seed.get<std::uint64_t>();
      if (!seen.insert(value).second) top.refuse("seeds", "names a seed twice");
      recipe.seeds.push_back(value);
    }
  }

  std::filesystem::path required_path(Fields& fields, std::string_view key) {
    return resolve_path(fields.required_text(key), folder_,
                        fmt::format("{}: {}", fields.where(), key));
  }

  // What is left of a recipe without a student: models and their quantized forms.
  void check_no_student(const Fields& top, const Recipe& recipe) const {
    for (const char* key : {"label", "distill", "seeds"})
      if (top.has(key)) top.refuse(key, "is of no use without a 'student'");
    if (is_endpoint(recipe.teacher))
      fail_try(ErrorKind::usage, "give a student to distil into, or a local teacher",
               "{}: student: is missing, and an endpoint cannot be quantized", file_);
    if (!top.has("quantize") && !top.has("compare"))
      fail_try(ErrorKind::usage, "give a student, or forms to quantize the teacher into",
               "{}: student: is missing", file_);
  }

  static distill::TrainOptions student_defaults() {
    distill::TrainOptions options;
    options.epochs = 6;
    return options;
  }

  void read_teacher(const Json& json, Recipe& recipe) {
    Fields fields(json, where("teacher"));
    recipe.teacher = fields.text("model");
    if (fields.has("endpoint")) {  // `model` is then what the server calls it
      recipe.teacher = expand_environment(fields.required_text("endpoint"), fields.where()) +
                       (recipe.teacher.empty() ? "" : "#" + recipe.teacher);
      if (!is_endpoint(recipe.teacher))
        fields.refuse("endpoint", "must begin with http:// or https://");
    } else if (!recipe.teacher.empty() && !is_endpoint(recipe.teacher)) {
      recipe.teacher = resolve_path(recipe.teacher, folder_, where("teacher: model")).string();
    }
    if (is_endpoint(recipe.teacher)) recipe.budget = read_endpoint_budget(fields);
    recipe.gate = fields.number("gate", -1, 0, 1);
    if (fields.has("prompt")) recipe.teacher_style = prompt_style(fields.required_text("prompt"));
    if (const Json* train = fields.find("train")) recipe.teacher_training = read_training(*train);
    fields.refuse_unknown();
    if (recipe.teacher.empty() == !recipe.teacher_training)
      fail(ErrorKind::usage, "{}: needs either 'model' or 'train'", where("teacher"));
  }

  TeacherTraining read_training(const Json& json) {
    Fields fields(json, where("teacher: train"));
    TeacherTraining training;
    const Json* start = fields.find("start");
    if (!start)
      fail(ErrorKind::usage, "{}: start: is missing (a 'model' or a 'shape')", fields.where());
    training.start = read_start(*start, folder_, fields.where() + ": start", false);
    if (fields.has("tokenizer")) training.tokenizer = required_path(fields, "tokenizer");
    training.vocab_size =
        static_cast<int>(fields.integer("vocab_size", training.vocab_size, 300, 1 << 20));
    training.style = prompt_style(fields.text("prompt", "bare"));
    if (const Json* cross_fit = fields.find("cross_fit")) {
      Fields inner(*cross_fit, fields.where() + ": cross_fit");
      training.cross_fit.folds = static_cast<int>(inner.integer("folds", 4, 2, 100));
      training.cross_fit.rounds = static_cast<int>(inner.integer("rounds", 1, 1, 10));
      inner.refuse_unknown();
    }
    distill::TrainOptions defaults;
    defaults.epochs = 10;
    training.train = distill::read_train_options(fields, defaults);
    fields.refuse_unknown();
    return training;
  }

  // What an endpoint says of its probabilities is of use only in a vocabulary that is known.
  static Signal signal_without_word(const Recipe& recipe) {
    return is_endpoint(recipe.teacher) && vocabulary_of(recipe).empty() ? Signal::text
                                                                        : Signal::top_k;
  }

  void check_signal(const Recipe& recipe) const {
    if (!is_endpoint(recipe.teacher)) return;
    if (recipe.label.signal == Signal::sampled)
      fail_try(ErrorKind::usage, "use signal: top_k, or text",
               "{}: an endpoint gives no samples of its distribution", where("label: signal"));
    if (recipe.label.signal == Signal::top_k && vocabulary_of(recipe).empty())
      fail_try(ErrorKind::usage, "give student: tokenizer, a model of the endpoint's vocabulary",
               "{}: the endpoint's tokens can be learnt only in a vocabulary that is known",
               where("label: signal"));
    if (recipe.student && recipe.student->cut)
      fail_try(ErrorKind::usage, "give a local teacher, or a student model or shape",
               "{}: a student cannot be cut out of an endpoint", where("student: from"));
    for (const QuantizeStep& step : recipe.quantize)
      if (step.of_teacher)
        fail(ErrorKind::usage, "{}: of: an endpoint cannot be quantized here", where("quantize"));
  }

  void read_label(const Json& json, Recipe& recipe) {
    Fields fields(json, where("label"));
    recipe.label.signal =
        signal_of(fields.text("signal", std::string(limbeck::name(recipe.label.signal))));
    recipe.label.k = static_cast<int>(fields.integer("k", recipe.label.k, 1, 4096));
    recipe.label.max_tokens = fields.integer("max_tokens", recipe.label.max_tokens, 1, 1 << 20);
    recipe.label_limit = fields.integer("limit", 0, 0);
    recipe.dev_fraction = fields.number("dev", recipe.dev_fraction, 0.001, 0.5);
    fields.refuse_unknown();
  }

  void read_quantize(const Json& steps, Recipe& recipe) {
    if (!steps.is_array()) fail(ErrorKind::usage, "{}: must be a list", where("quantize"));
    for (std::size_t i = 0; i < steps.size(); ++i) {
      Fields fields(steps[i], where(fmt::format("quantize[{}]", i)));
      QuantizeStep step;
      step.form = read_form(fields);
      step.method = fields.text("method");
      if (!step.method.empty()) quantize_method(step.method);
      const std::string of = fields.text("of", recipe.student ? "student" : "teacher");
      if (of != "student" && of != "teacher")
        fail(ErrorKind::usage, "{}: of: '{}' is not 'student' or 'teacher'", fields.where(), of);
      step.of_teacher = of == "teacher";
      if (!step.of_teacher && !recipe.student)
        fields.refuse("of", "is 'student', and the recipe has none");
      fields.refuse_unknown();
      recipe.quantize.push_back(step);
    }
  }

  // A student whose training ends on a type's grid is stored in that type, rounded plainly
  // (method_for).
  static void add_trained_type(Recipe& recipe) {
    const std::string& type = recipe.distill.quantize.type;
    if (type.empty()) return;
    const bool there = std::ranges::any_of(recipe.quantize, [&](const QuantizeStep& step) {
      return !step.of_teacher && step.form.type == type &&
             (step.method.empty() || step.method == "rtn");
    });
    if (!there) recipe.quantize.emplace_back().form.type = type;
  }

  // The form, and the method where two steps of one model share a form.
  void name_steps(Recipe& recipe) const {
    using Form = std::pair<bool, std::string>;
    std::map<Form, std::set<std::string>> methods;
    for (QuantizeStep& step : recipe.quantize) {
      step.name = step.form.label();
      if (!methods[{step.of_teacher, step.name}].insert(step.method).second)
        fail(ErrorKind::usage, "{}: {}{} stands there twice", where("quantize"), step.name,
             step.method.empty() ? "" : " by " + step.method);
    }
    for (QuantizeStep& step : recipe.quantize)
      if (methods[{step.of_teacher, step.name}].size() > 1 && !step.method.empty())
        step.name += "-" + step.method;
  }

  static QuantizedForm read_form(Fields& fields) {
    QuantizedForm form;
    form.type = fields.text("type");
    form.bits_per_weight = fields.number("bpw", 0, 1.5, 16);
    if (fields.has("size"))
      form.size = parse_bytes(fields.text("size"), fmt::format("{}: size", fields.where()));
    if (!form.type.empty() + (form.bits_per_weight > 0) + (form.size > 0) != 1)
      fail(ErrorKind::usage, "{}: needs one of 'type', 'bpw' and 'size'", fields.where());
    if (!form.type.empty()) form.type = std::string(find_mix(form.type).name);
    return form;
  }

  void read_compare(const Json& json, Recipe& recipe) {
    Fields fields(json, where("compare"));
    for (const std::string& task : fields.texts("tasks"))
      recipe.other_tasks.push_back(resolve_path(task, folder_, where("compare: tasks")));
    for (const std::string& text : fields.texts("texts"))
      recipe.texts.push_back(resolve_path(text, folder_, where("compare: texts")));
    if (const Json* bits = fields.find("bits")) {
      if (!bits->is_array()) fields.refuse("bits", "must be a list, for example [8, 4, 3, 2]");
      for (const Json& one : *bits)
        recipe.compare_bits.push_back(one.is_string() ? one.get<std::string>() : one.dump());
      check_bits(recipe.compare_bits);
    }
    recipe.compare_limit = fields.integer("limit", 0, 0);
    recipe.compare_speed_s = fields.number("speed_seconds", recipe.compare_speed_s, 0, 600);
    fields.refuse_unknown();
  }

  const Json& json_;
  std::string file_;
  std::filesystem::path folder_;
};

}  // namespace

std::filesystem::path vocabulary_of(const Recipe& recipe) {
  if (!recipe.student) return {};
  return recipe.student->model.empty() ? recipe.student->tokenizer : recipe.student->model;
}

Recipe read_recipe(const std::filesystem::path& path) {
  const Json json = read_yaml_file(path.string());
  return RecipeReader(json, path).read();
}

}  // namespace limbeck::pipeline

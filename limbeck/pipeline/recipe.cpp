#include "limbeck/pipeline/recipe.h"

#include <algorithm>
#include <cmath>

#include "limbeck/base/yaml.h"
#include "limbeck/model/mixes.h"
#include "limbeck/task/data.h"

namespace limbeck::pipeline {
namespace {

// A path of the recipe: ${NAME} from the environment, relative to the recipe's folder.
std::filesystem::path resolve(const std::string& text, const std::filesystem::path& folder,
                              const std::string& where) {
  const std::filesystem::path path = expand_environment(text, where);
  return (path.is_absolute() ? path : folder / path).lexically_normal();
}

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
    if (!top.has("student")) fail(ErrorKind::usage, "{}: student: is missing", file_);
    read_teacher(*top.find("teacher"), recipe);
    recipe.student = read_start(*top.find("student"), where("student"), true);
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
    check_signal(recipe);
    if (const Json* compare = top.find("compare")) read_compare(*compare, recipe);
    recipe.distill.seed = recipe.label.seed = recipe.seed;
    if (recipe.teacher_training) recipe.teacher_training->train.seed = recipe.seed;
    recipe.resolved = describe(recipe);
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
    for (const Json& seed : *list) {
      if (!seed.is_number_integer() || seed.get<std::int64_t>() < 0)
        top.refuse("seeds", "must be a list of numbers >= 0");
      const auto value = seed.get<std::uint64_t>();
      if (std::ranges::find(recipe.seeds, value) != recipe.seeds.end())
        top.refuse("seeds", "names a seed twice");
      recipe.seeds.push_back(value);
    }
  }

  std::filesystem::path required_path(Fields& fields, std::string_view key) {
    return resolve(fields.required_text(key), folder_, fmt::format("{}: {}", fields.where(), key));
  }

  static distill::TrainOptions student_defaults() {
    distill::TrainOptions options;
    options.epochs = 6;
    return options;
  }

  ModelStart read_start(const Json& json, const std::string& at, bool student) {
    ModelStart start;
    Fields fields(json, at);
    if (fields.has("model")) start.model = required_path(fields, "model");
    if (const Json* shape = fields.find("shape")) start.shape = read_shape(*shape, at + ": shape");
    if (student) read_student(fields, start);
    fields.refuse_unknown();
    const int ways = !start.model.empty() + start.shape.has_value() + start.cut.has_value();
    if (ways != 1)
      fail(ErrorKind::usage, "{}: needs either 'model' or 'shape'{}", at,
           student ? ", or 'from: teacher'" : "");
    return start;
  }

  // What only a student can ask for.
  void read_student(Fields& fields, ModelStart& start) {
    if (fields.has("tokenizer")) start.tokenizer = required_path(fields, "tokenizer");
    start.vocab_size =
        static_cast<int>(fields.integer("vocab_size", start.vocab_size, 300, 1 << 20));
    const std::string vocabulary = fields.text("vocabulary", "whole");
    if (vocabulary != "whole" && vocabulary != "task")
      fields.refuse("vocabulary", "must be 'whole' or 'task'");
    start.task_vocabulary = vocabulary == "task";
    if (start.task_vocabulary && start.shape)
      fields.refuse("vocabulary", "can be cut down only of a model, not of a fresh shape");
    const std::string from = fields.text("from");
    constexpr std::int64_t kMost = 1 << 20;
    StudentCut cut;
    cut.shape.layers = fields.integer("layers", 0, 1, kMost);
    cut.shape.hidden = fields.integer("hidden", 0, 1, kMost);
    cut.shape.ffn = fields.integer("ffn", 0, 1, kMost);
    cut.shape.heads = fields.integer("heads", 0, 1, kMost);
    cut.rounds = static_cast<int>(fields.integer("rounds", 0, 1, 16));
    if (from.empty()) {
      for (const char* key : {"layers", "hidden", "ffn", "heads", "rounds"})
        if (fields.has(key)) fields.refuse(key, "needs 'from: teacher' (or stands in 'shape')");
      return;
    }
    if (from != "teacher") fields.refuse("from", "must be 'teacher'");
    start.cut = cut;
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
      recipe.teacher = resolve(recipe.teacher, folder_, where("teacher: model")).string();
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
    training.start = read_start(*start, fields.where() + ": start", false);
    if (fields.has("tokenizer")) training.tokenizer = required_path(fields, "tokenizer");
    training.vocab_size =
        static_cast<int>(fields.integer("vocab_size", training.vocab_size, 300, 1 << 20));
    training.style = prompt_style(fields.text("prompt", "bare"));
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
    if (recipe.student.cut)
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
      step.type = fields.required_text("type");
      step.method = fields.text("method", step.method);
      const std::string of = fields.text("of", "student");
      if (of != "student" && of != "teacher")
        fail(ErrorKind::usage, "{}: of: '{}' is not 'student' or 'teacher'", fields.where(), of);
      step.of_teacher = of == "teacher";
      fields.refuse_unknown();
      recipe.quantize.push_back(step);
    }
  }

  // A student whose training ends on a type's grid is stored in that type.
  static void add_trained_type(Recipe& recipe) {
    if (recipe.distill.quantize.type.empty()) return;
    const std::string_view type = find_mix(recipe.distill.quantize.type).name;
    const bool there = std::ranges::any_of(recipe.quantize, [&](const QuantizeStep& step) {
      return !step.of_teacher && find_mix(step.type).name == type;
    });
    if (!there) recipe.quantize.push_back({std::string(type), "rtn", false});
  }

  void read_compare(const Json& json, Recipe& recipe) {
    Fields fields(json, where("compare"));
    for (const std::string& task : fields.texts("tasks"))
      recipe.other_tasks.push_back(resolve(task, folder_, where("compare: tasks")));
    for (const std::string& text : fields.texts("texts"))
      recipe.texts.push_back(resolve(text, folder_, where("compare: texts")));
    recipe.compare_limit = fields.integer("limit", 0, 0);
    recipe.compare_speed_s = fields.number("speed_seconds", recipe.compare_speed_s, 0, 600);
    fields.refuse_unknown();
  }

  static Json describe_start(const ModelStart& start) {
    if (start.cut) {
      const distill::CutShape& cut = start.cut->shape;
      return {{"from", "teacher"},
              {"layers", cut.layers},
              {"hidden", cut.hidden},
              {"ffn", cut.ffn},
              {"heads", cut.heads},
              {"rounds", start.cut->rounds},
              {"vocabulary", start.task_vocabulary ? "task" : "whole"}};
    }
    if (!start.shape) {
      Json json = {{"model", start.model.string()}};
      if (start.task_vocabulary) json["vocabulary"] = "task";
      return json;
    }
    const Architecture& a = *start.shape;
    Json json = {{"shape",
                  {{"hidden", a.hidden},
                   {"layers", a.layers},
                   {"heads", a.heads},
                   {"kv_heads", a.kv_heads},
                   {"head_dim", a.head_dim},
                   {"ffn", a.ffn},
                   {"context", a.context_length},
                   {"tied_embeddings", a.tied_embeddings}}}};
    if (!start.tokenizer.empty()) json["tokenizer"] = start.tokenizer.string();
    return json;
  }

  static Json describe(const Recipe& recipe) {
    Json teacher = {{"model", recipe.teacher}, {"gate", recipe.gate}};
    if (is_endpoint(recipe.teacher)) teacher["endpoint"] = limbeck::to_json(recipe.budget);
    if (recipe.teacher_style) teacher["prompt"] = name(*recipe.teacher_style);
    if (const auto& training = recipe.teacher_training) {
      teacher["train"] = {{"start", describe_start(training->start)},
                          {"tokenizer", training->tokenizer.string()},
                          {"vocab_size", training->vocab_size},
                          {"prompt", name(training->style)},
                          {"options", distill::to_json(training->train)}};
    }
    Json quantize = Json::array(), tasks = Json::array(), texts = Json::array();
    for (const QuantizeStep& step : recipe.quantize)
      quantize.push_back({{"type", step.type},
                          {"method", step.method},
                          {"of", step.of_teacher ? "teacher" : "student"}});
    for (const auto& task : recipe.other_tasks) tasks.push_back(task.string());
    for (const auto& text : recipe.texts) texts.push_back(text.string());
    return {{"name", recipe.name},
            {"task", recipe.task.string()},
            {"seed", recipe.seed},
            {"seeds", recipe.seeds},
            {"teacher", teacher},
            {"label",
             {{"signal", limbeck::name(recipe.label.signal)},
              {"k", recipe.label.k},
              {"max_tokens", recipe.label.max_tokens},
              {"limit", recipe.label_limit},
              {"dev", recipe.dev_fraction}}},
            {"student", describe_start(recipe.student)},
            {"distill", distill::to_json(recipe.distill)},
            {"control", recipe.control},
            {"quantize", quantize},
            {"compare",
             {{"tasks", tasks},
              {"texts", texts},
              {"limit", recipe.compare_limit},
              {"speed_seconds", recipe.compare_speed_s}}}};
  }

  const Json& json_;
  std::string file_;
  std::filesystem::path folder_;
};

}  // namespace

std::filesystem::path vocabulary_of(const Recipe& recipe) {
  return recipe.student.model.empty() ? recipe.student.tokenizer : recipe.student.model;
}

Recipe read_recipe(const std::filesystem::path& path) {
  const Json json = read_yaml_file(path.string());
  return RecipeReader(json, path).read();
}

Architecture read_shape(const Json& json, const std::string& where) {
  Fields fields(json, where);
  Architecture shape;
  shape.family = Family::llama;
  shape.hidden = fields.required_integer("hidden", 8, 1 << 16);
  shape.layers = fields.required_integer("layers", 1, 1000);
  shape.heads = fields.required_integer("heads", 1, 1024);
  shape.kv_heads = fields.integer("kv_heads", shape.heads, 1, shape.heads);
  shape.head_dim = fields.integer("head_dim", shape.hidden / shape.heads, 2, 1024);
  shape.ffn = fields.integer("ffn", (shape.hidden * 8 / 3 + 31) / 32 * 32, 8, 1 << 18);
  shape.context_length = fields.integer("context", 256, 8, 1 << 20);
  shape.tied_embeddings = fields.flag("tied_embeddings", true);
  shape.rope_theta = fields.number("rope_theta", 10000, 1, 1e9);
  fields.refuse_unknown();
  if (shape.heads % shape.kv_heads != 0)
    fail(ErrorKind::usage, "{}: heads ({}) must be a multiple of kv_heads ({})", where, shape.heads,
         shape.kv_heads);
  if (shape.head_dim % 2 != 0)
    fail(ErrorKind::usage, "{}: head_dim ({}) must be even", where, shape.head_dim);
  shape.rope_dim = shape.head_dim;
  shape.attention_scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
  return shape;
}

}  // namespace limbeck::pipeline

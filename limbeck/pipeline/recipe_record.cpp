#include "limbeck/pipeline/recipe.h"

namespace limbeck::pipeline {

Json to_json(const Recipe& recipe) {
  Json teacher = {{"model", recipe.teacher}, {"gate", recipe.gate}};
  if (is_endpoint(recipe.teacher)) teacher["endpoint"] = limbeck::to_json(recipe.budget);
  if (recipe.teacher_style) teacher["prompt"] = name(*recipe.teacher_style);
  if (const auto& training = recipe.teacher_training) {
    teacher["train"] = {{"start", training->start.to_json()},
                        {"tokenizer", training->tokenizer.string()},
                        {"vocab_size", training->vocab_size},
                        {"prompt", name(training->style)},
                        {"options", distill::to_json(training->train)}};
    if (const CrossFit& judged = training->cross_fit; judged.folds > 0)
      teacher["train"]["cross_fit"] = {{"folds", judged.folds}, {"rounds", judged.rounds}};
  }
  Json quantize = Json::array(), tasks = Json::array(), texts = Json::array();
  for (const QuantizeStep& step : recipe.quantize)
    quantize.push_back({{"form", step.form.label()},
                        {"method", step.method},
                        {"of", step.of_teacher ? "teacher" : "student"}});
  for (const auto& task : recipe.other_tasks) tasks.push_back(task.string());
  for (const auto& text : recipe.texts) texts.push_back(text.string());
  Json json = {{"name", recipe.name},
               {"task", recipe.task.string()},
               {"seed", recipe.seed},
               {"teacher", teacher},
               {"quantize", quantize},
               {"compare",
                {{"tasks", tasks},
                 {"texts", texts},
                 {"bits", recipe.compare_bits},
                 {"limit", recipe.compare_limit},
                 {"speed_seconds", recipe.compare_speed_s}}}};
  if (!recipe.student) return json;
  json["seeds"] = recipe.seeds;
  json["label"] = {{"signal", limbeck::name(recipe.label.signal)},
                   {"k", recipe.label.k},
                   {"max_tokens", recipe.label.max_tokens},
                   {"limit", recipe.label_limit},
                   {"dev", recipe.dev_fraction}};
  json["student"] = recipe.student->to_json();
  json["distill"] = distill::to_json(recipe.distill);
  json["control"] = recipe.control;
  return json;
}

}  // namespace limbeck::pipeline

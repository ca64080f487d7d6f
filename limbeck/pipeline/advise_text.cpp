// An advice for people, and as a recipe.
#include <fmt/core.h>

#include "limbeck/base/terminal.h"
#include "limbeck/base/yaml.h"
#include "limbeck/pipeline/advise.h"
#include "limbeck/pipeline/advise_student.h"
#include "limbeck/report/results.h"

namespace limbeck::pipeline {
namespace {

using report::at;

constexpr std::size_t kShown = 10;  // plans in the table; --json has them all

std::string hours(double value) {
  return value < 0.1 ? human_seconds(3600 * value) : fmt::format("{:.1f} h", value);
}

std::string cost_text(const Json& training) {
  if (training.is_null()) return "none";
  const double cpu = training.at("cpu_hours").get<double>();
  return fmt::format("{:.3g} tokens, {}{} {}", training.at("tokens").get<double>(),
                     cpu > 0 ? hours(cpu) + " CPU or " : "",
                     hours(training.at("gpu_hours").get<double>()),
                     training.at("gpu").get<std::string>());
}

// The recipe's `student`.
Json student_of(const Json& option) {
  const Json& shape = option.at("shape");
  Json student = {{"shape", shape}};
  if (option.at("start") == "cut") {
    student = {{"from", "teacher"}};
    for (const char* key : {"layers", "hidden", "ffn", "heads"}) student[key] = shape.at(key);
  }
  if (option.at("vocabulary") == "task") student["vocabulary"] = "task";
  return student;
}

}  // namespace

std::string advice_text(const Json& advice) {
  const bool items = advice.contains("task");
  std::vector<std::vector<std::string>> rows = {
      {"plan", "size", "memory needed", items ? "items/s" : "tokens/s", "training", "fits"}};
  const Json& options = advice.at("options");
  for (std::size_t i = 0; i < std::min(options.size(), kShown); ++i) {
    const Json& option = options[i];
    rows.push_back(
        {option.at("plan").get<std::string>(), report::bytes(option.at("bytes")),
         report::bytes(option.at("memory_needed_bytes")),
         report::number(at(option, {items ? "items_per_s" : "generation_tokens_per_s"}), 1),
         cost_text(at(option, {"training"})), option.at("fits").get<bool>() ? "yes" : "no"});
  }
  std::string out = safe_tty(advice.at("advice").at("sentence").get<std::string>()) + "\n";
  const auto line = [&](std::string_view what, const Json& text) {
    if (text.is_string())
      out += fmt::format("  {:<16} {}\n", what, safe_tty(text.get<std::string>()));
  };
  if (!options.empty()) {
    const Json& best = options[0];
    for (const Json& reason : best.at("reasons")) line("because", reason);
    for (const Json& against : best.at("against")) line("against it", against);
    line("to expect", at(best, {"quality", "expected"}));
    line("  source", at(best, {"quality", "source"}));
    line("speed, memory", at(best, {"speed_and_memory"}));
  }
  for (const Json& change : advice.at("advice").at("would_change")) line("would change it", change);
  if (options.empty()) return out;
  out += "\n" + text_table(rows);
  if (options.size() > kShown)
    out += fmt::format("and {} more plans: --json has them\n", options.size() - kShown);
  return out;
}

std::string recipe_of(const Json& advice, const AdviseInput& input,
                      const std::filesystem::path& task) {
  if (advice.at("options").empty() || !input.task) return {};
  const Json& best = advice.at("options")[0];
  const Json& kind = best.at("kind");
  if (kind == "keep") return {};
  Json recipe = {
      {"name", input.task->name},
      {"task", std::filesystem::absolute(task).lexically_normal().string()},
      {"teacher", {{"model", std::filesystem::absolute(input.model).lexically_normal().string()}}}};
  if (kind != "quantize") {
    Json label = {{"signal", "top_k"}, {"k", 64}};
    const double inputs = best.at("training").at("inputs").get<double>();
    if (inputs < static_cast<double>(input.task->train.size()))
      label["limit"] = static_cast<std::int64_t>(inputs);
    recipe["label"] = label;
    recipe["student"] = student_of(best);
    recipe["distill"] = {{"epochs", kAdvisedEpochs}};
  }
  if (kind != "distil")
    recipe["quantize"] = Json::array(
        {{{"type", best.at("type")}, {"of", kind == "quantize" ? "teacher" : "student"}}});
  return fmt::format("# {}\n", best.at("plan").get<std::string>()) + to_yaml(recipe);
}

}  // namespace limbeck::pipeline

#include "limbeck/pipeline/advise.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"
#include "limbeck/base/yaml.h"
#include "limbeck/pipeline/advise_student.h"
#include "limbeck/pipeline/expectations.h"
#include "limbeck/quantize/plan.h"
#include "limbeck/report/results.h"

namespace limbeck::pipeline {
namespace {

using report::at;

constexpr double kEfficiency = 0.75;        // of the read bandwidth that generation reaches
constexpr std::int64_t kFewExamples = 200;  // below, nothing narrow can be learnt

// A plan under construction, with all that is predicted of it.
struct Option {
  std::string kind;    // quantize | distil | both
  std::string type;    // mix, or "f16"
  Architecture shape;  // of the model that runs
  double bytes = 0, bits = 0, memory = 0, tokens_per_s = 0, items_per_s = 0;
  TrainingCost training;
  double quality_rank = 0;  // higher is better, for sorting only
  Json quality = Json::object();
  std::vector<std::string> against, reasons;

  std::string plan() const {
    if (kind == "quantize") return "quantize to " + type;
    const std::string student = fmt::format(
        "distil into {} parameters", human_count(static_cast<double>(parameter_count(shape))));
    return kind == "both" ? fmt::format("{}, then quantize to {}", student, type) : student;
  }
};

double cache_bytes(const Architecture& a, std::int64_t context) {
  return 2.0 *
         static_cast<double>(a.layers * a.kv_heads * a.head_dim *
                             std::min(context, a.context_length)) *
         sizeof(float);
}

// Bytes read for each generated token: all weights but the embedding's other rows.
double bytes_per_token(const Option& option) {
  if (option.shape.tied_embeddings) return option.bytes;
  const double embedding =
      static_cast<double>(option.shape.vocab_size * option.shape.hidden) * option.bits / 8;
  return std::max(option.bytes - embedding, 1.0);
}

void predict_running(Option& option, const AdviseInput& input, const AdviseLimits& limits,
                     const MachineLimits& machine) {
  option.bits = 8 * option.bytes / static_cast<double>(parameter_count(option.shape));
  option.memory = option.bytes + cache_bytes(option.shape, limits.context) +
                  4.0 * static_cast<double>(option.shape.vocab_size + 64 * option.shape.hidden);
  option.tokens_per_s = kEfficiency * machine.read_bandwidth / bytes_per_token(option);
  if (!input.task) return;
  const TaskSize size = task_size(*input.task);
  const double prompt_rate =
      machine.train_flops > 0
          ? machine.train_flops / (2.0 * static_cast<double>(parameter_count(option.shape)))
          : 8 * option.tokens_per_s;
  option.items_per_s =
      1 / (size.prompt_tokens / prompt_rate + size.answer_tokens / option.tokens_per_s);
}

void check_limits(Option& option, const AdviseLimits& limits) {
  const auto at_most = [&](double value, double limit, const char* what) {
    if (limit > 0 && value > limit)
      option.against.push_back(fmt::format("{} {} is over the limit of {}", what,
                                           human_bytes(value), human_bytes(limit)));
  };
  const auto at_least = [&](double value, double limit, const char* what) {
    if (limit > 0 && value < limit)
      option.against.push_back(
          fmt::format("{:.1f} {} are under the {:.1f} asked for", value, what, limit));
  };
  at_most(option.bytes, limits.max_bytes, "size");
  at_most(option.memory, limits.max_memory, "memory");
  at_least(option.tokens_per_s, limits.min_tokens_per_s, "tokens/s");
  if (option.items_per_s > 0) at_least(option.items_per_s, limits.min_items_per_s, "items/s");
  const double hours = limits.gpu_hours > 0 ? option.training.gpu_hours : option.training.cpu_hours;
  const double budget = limits.gpu_hours > 0 ? limits.gpu_hours : limits.cpu_hours;
  if (hours > budget)
    option.against.push_back(fmt::format("training takes {:.1f} {} hours, {:.1f} are there", hours,
                                         limits.gpu_hours > 0 ? "accelerator" : "CPU", budget));
}

// The score this very plan reached in an earlier comparison of this model, if there is one.
Json measured_quality(const Option& option, const AdviseInput& input) {
  const std::string role = option.kind == "quantize" ? "quantized"
                           : option.kind == "both"   ? "distilled+quantized"
                                                     : "distilled";
  for (const Json& results : input.results) {
    const Json& models = at(results, {"models"});
    if (models.empty() || std::filesystem::path(models[0].value("path", "")).lexically_normal() !=
                              input.model.lexically_normal())
      continue;
    for (const Json& model : models) {
      const bool same_type =
          option.type == "f16" || model.value("name", "").find(option.type) != std::string::npos;
      const Json& tasks = at(model, {"tasks"});
      if (model.value("role", "") != role || !same_type || !tasks.is_array() || tasks.empty())
        continue;
      const std::string primary = tasks[0].value("primary", "");
      return {{"expected", fmt::format("{} {} % on {}", primary,
                                       report::percent_interval(at(tasks[0], {"metrics", primary})),
                                       tasks[0].value("task", ""))},
              {"source", "measured here, " + results.value("created", "earlier")}};
    }
  }
  return nullptr;
}

const QuantizationRow* published(std::string_view mix) {
  for (const QuantizationRow& row : quantization_rows()) {
    if (row.mix == mix) return &row;
  }
  return nullptr;
}

void expect_quality(Option& option, const AdviseInput& input) {
  const QuantizationRow* row = published(option.type);
  option.quality_rank = row ? -row->kl : 0;
  if (const Json measured = measured_quality(option, input); !measured.is_null()) {
    option.quality = measured;
    return;
  }
  if (option.kind == "quantize" && row) {
    option.quality = {
        {"expected",
         fmt::format(
             "KL {:.3f} nats, perplexity +{:.1f} % on an 8B model; smaller models lose more",
             row->kl, 100 * (row->perplexity / kFloatPerplexity - 1))},
        {"source", kQuantizationSource}};
  } else if (option.kind != "quantize") {
    std::string expected = "near the teacher on this task alone, nothing else kept";
    if (option.kind == "both")
      expected +=
          fmt::format("; a 4-bit student keeps about {:.0f} % of its score", 100 * kHealedShare);
    option.quality = {{"expected", expected}, {"source", kDistillationSource}};
  }
}

std::vector<Option> quantize_options(const AdviseInput& input) {
  std::vector<Option> options;
  for (const QuantizationRow& row : quantization_rows()) {
    Option option;
    option.kind = "quantize";
    option.type = row.mix;
    option.shape = input.architecture;
    option.bytes =
        static_cast<double>(total_bytes(plan_mix(find_mix(row.mix), input.architecture, true))) +
        tokenizer_bytes(input.model, input.architecture);
    const double bits = 8 * option.bytes / static_cast<double>(parameter_count(option.shape));
    if (bits > 0.97 * input.bits_per_weight) continue;  // no smaller than what is there
    if (input.bits_per_weight < 8.4)
      option.reasons.push_back(
          fmt::format("the file holds {:.1f} bits already: quantize the 16-bit original instead, "
                      "rounding twice loses more",
                      input.bits_per_weight));
    option.reasons.push_back("no training; stays a generalist");
    if (row.kl > 0.05)
      option.reasons.push_back("below 4 bits quality falls fast: measure before use");
    options.push_back(std::move(option));
  }
  return options;
}

std::vector<Option> distil_options(const AdviseInput& input, const AdviseLimits& limits,
                                   const MachineLimits& machine) {
  std::vector<Option> options;
  if (!input.task || limits.general) return options;
  const double parameters = static_cast<double>(parameter_count(input.architecture));
  for (const double factor : {20.0, 50.0, 100.0, 300.0, 1000.0}) {
    const Architecture student =
        student_shape(input.architecture, std::max(parameters / factor, 3e5));
    if (static_cast<double>(parameter_count(student)) > parameters / 2) continue;
    for (const char* type : {"f16", "q8_0", "q4_k_m"}) {
      Option option;
      option.kind = type == std::string("f16") ? "distil" : "both";
      option.type = type;
      option.shape = student;
      option.bytes =
          option.kind == "distil"
              ? 2.0 * static_cast<double>(parameter_count(student))
              : static_cast<double>(total_bytes(plan_mix(find_mix(type), student, true)));
      option.bytes += tokenizer_bytes(input.model, student);
      option.training =
          training_cost(*input.task, input.architecture, student, machine.train_flops);
      option.reasons.push_back(
          fmt::format("one narrow task with {} training inputs: a specialist needs a fraction of "
                      "the parameters",
                      input.task->train.size()));
      option.reasons.push_back("forgets everything but this task");
      if (static_cast<std::int64_t>(input.task->train.size()) < kFewExamples) {
        option.against.push_back(
            fmt::format("{} training inputs are too few (at least {}): synthesize or collect more",
                        input.task->train.size(), kFewExamples));
      }
      if (machine.train_flops <= 0 && limits.gpu_hours <= 0)
        option.against.push_back(
            "training is not possible here: no trainer in this build and no accelerator");
      options.push_back(std::move(option));
    }
    if (parameters / factor < 3e5) break;
  }
  return options;
}

// Fitting first. Then, where a narrow task can be learnt, the smallest model with 4 bits or more;
// for generalists the best quality of the smaller half: 4-bit K-quants are where the published
// curve bends.
bool better(const Option& a, const Option& b, bool general_only) {
  if (a.against.empty() != b.against.empty()) return a.against.empty();
  if (!a.against.empty()) return a.against.size() < b.against.size();
  const auto knee = [](const Option& option) { return option.quality_rank >= -0.03; };
  if (knee(a) != knee(b)) return knee(a);
  if (!general_only && (a.kind == "quantize") != (b.kind == "quantize"))
    return a.kind != "quantize";
  return knee(a) ? a.bytes < b.bytes : a.quality_rank > b.quality_rank;
}

Json to_json(const Option& option) {
  Json json = {{"plan", option.plan()},
               {"kind", option.kind},
               {"type", option.type},
               {"bytes", option.bytes},
               {"memory_bytes", option.memory},
               {"bits_per_weight", option.bits},
               {"parameters", parameter_count(option.shape)},
               {"generation_tokens_per_s", option.tokens_per_s},
               {"quality", option.quality},
               {"fits", option.against.empty()},
               {"against", option.against},
               {"reasons", option.reasons}};
  if (option.items_per_s > 0) json["items_per_s"] = option.items_per_s;
  if (option.kind != "quantize") {
    json["shape"] = {{"hidden", option.shape.hidden}, {"layers", option.shape.layers},
                     {"heads", option.shape.heads},   {"kv_heads", option.shape.kv_heads},
                     {"ffn", option.shape.ffn},       {"context", option.shape.context_length}};
    json["training"] = {{"tokens", option.training.tokens},
                        {"flop", option.training.flop},
                        {"cpu_hours", option.training.cpu_hours},
                        {"gpu_hours", option.training.gpu_hours},
                        {"gpu", accelerators()[0].name}};
  }
  return json;
}

Json advice_of(const std::vector<Option>& options, const AdviseInput& input,
               const AdviseLimits& limits) {
  if (options.empty()) {
    return {{"plan", nullptr},
            {"sentence", fmt::format("Leave it as it is: at {:.1f} bits per weight no standard "
                                     "type makes it smaller, and no task was given to distil.",
                                     input.bits_per_weight)},
            {"would_change",
             {"a task folder (--task), so that a specialist can be distilled",
              "the 16-bit original of this model"}}};
  }
  const Option& best = options.front();
  std::vector<std::string> change;
  if (!input.task)
    change.push_back(
        "a narrow task with training inputs (--task): a distilled specialist is 10-100 times "
        "smaller still");
  if (input.task && !limits.general && best.kind != "quantize")
    change.push_back(
        "needing the model for anything else (--general): then only quantizing is left");
  if (input.task && static_cast<std::int64_t>(input.task->train.size()) < kFewExamples)
    change.push_back(fmt::format(
        "at least {} training inputs (limbeck synthesize makes them from a few)", kFewExamples));
  if (best.kind == "quantize")
    change.push_back("a measured loss on your own task: limbeck compare");
  if (best.kind != "quantize")
    change.push_back("a teacher that fails its gate on the test set: limbeck eval first");
  std::string sentence =
      best.against.empty()
          ? fmt::format("{}: {}, about {:.0f} tokens/s here.", best.plan(), human_bytes(best.bytes),
                        best.tokens_per_s)
          : fmt::format("Nothing meets every limit. Nearest: {} ({}), but {}.", best.plan(),
                        human_bytes(best.bytes), best.against.front());
  sentence[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(sentence[0])));
  return {{"plan", best.plan()}, {"sentence", sentence}, {"would_change", change}};
}

}  // namespace

Json advise(const AdviseInput& input, const AdviseLimits& limits, const MachineLimits& machine) {
  std::vector<Option> options = quantize_options(input);
  for (Option& option : distil_options(input, limits, machine))
    options.push_back(std::move(option));
  for (Option& option : options) {
    predict_running(option, input, limits, machine);
    expect_quality(option, input);
    check_limits(option, limits);
  }
  std::ranges::stable_sort(options, [&](const Option& a, const Option& b) {
    return better(a, b, limits.general || !input.task);
  });
  Json list = Json::array();
  for (const Option& option : options) list.push_back(to_json(option));
  Json json = {{"schema", "limbeck.advise/1"},
               {"model",
                {{"path", input.model.string()},
                 {"family", name(input.architecture.family)},
                 {"parameters", parameter_count(input.architecture)},
                 {"bytes", input.file_bytes},
                 {"bits_per_weight", input.bits_per_weight}}},
               {"machine",
                {{"read_bandwidth", machine.read_bandwidth},
                 {"memory_bytes", machine.memory_bytes},
                 {"train_flops", machine.train_flops}}},
               {"options", list},
               {"advice", advice_of(options, input, limits)}};
  if (input.task)
    json["task"] = {{"name", input.task->name},
                    {"kind", name(input.task->kind)},
                    {"train", input.task->train.size()},
                    {"test", input.task->test.size()}};
  return json;
}

std::string advice_text(const Json& advice) {
  std::vector<std::vector<std::string>> rows = {
      {"plan", "size", "memory", "tokens/s", "training", "fits"}};
  for (const Json& option : advice.at("options")) {
    const Json& training = at(option, {"training"});
    const std::string cost = training.is_null()
                                 ? "none"
                                 : fmt::format("{} tokens, {:.1f} CPU h",
                                               human_count(training.at("tokens").get<double>()),
                                               training.at("cpu_hours").get<double>());
    rows.push_back({option.at("plan").get<std::string>(), report::bytes(option.at("bytes")),
                    report::bytes(option.at("memory_bytes")),
                    report::number(option.at("generation_tokens_per_s"), 0), cost,
                    option.at("fits").get<bool>() ? "yes" : "no"});
  }
  std::string out = safe_tty(advice.at("advice").at("sentence").get<std::string>()) + "\n\n" +
                    text_table(rows) + "\n";
  if (!advice.at("options").empty()) {
    const Json& best = advice.at("options")[0];
    for (const Json& reason : best.at("reasons"))
      out += "  because: " + safe_tty(reason.get<std::string>()) + "\n";
    if (at(best, {"quality", "expected"}).is_string())
      out += fmt::format("  expected: {}\n  source: {}\n",
                         safe_tty(best.at("quality").at("expected").get<std::string>()),
                         best.at("quality").at("source").get<std::string>());
    for (const Json& against : best.at("against"))
      out += "  against: " + safe_tty(against.get<std::string>()) + "\n";
  }
  for (const Json& change : advice.at("advice").at("would_change"))
    out += "  would change it: " + safe_tty(change.get<std::string>()) + "\n";
  return out;
}

std::string recipe_of(const Json& advice, const AdviseInput& input,
                      const std::filesystem::path& task) {
  if (advice.at("options").empty() || !input.task) return {};
  const Json& best = advice.at("options")[0];
  if (best.at("kind") == "quantize") return {};
  Json recipe = {
      {"name", input.task->name},
      {"task", std::filesystem::absolute(task).lexically_normal().string()},
      {"teacher", {{"model", std::filesystem::absolute(input.model).lexically_normal().string()}}},
      {"label", {{"signal", "top_k"}, {"k", 64}}},
      {"student", {{"shape", best.at("shape")}}},
      {"distill", {{"epochs", kAdvisedEpochs}}}};
  if (best.at("kind") == "both")
    recipe["quantize"] = Json::array({{{"type", best.at("type")}, {"of", "student"}}});
  return fmt::format("# {}\n", best.at("plan").get<std::string>()) + to_yaml(recipe);
}

}  // namespace limbeck::pipeline

#include "limbeck/pipeline/advise.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/pipeline/advise_option.h"
#include "limbeck/pipeline/advise_probe.h"
#include "limbeck/pipeline/expectations.h"
#include "limbeck/report/results.h"

namespace limbeck::pipeline {
namespace {

using report::at;

constexpr double kKnee = 0.03;  // nats: above, the published curve of quantization bends

bool keeps_quality(const Option& option) {
  const Json& low = at(option.quality, {"difference", "low"});
  if (low.is_number()) return low.get<double>() >= -0.02;  // measured: within two points
  return option.expected_kl <= kKnee;
}

// Fitting first. Then what keeps its quality. Then, where a narrow task can be learnt, a specialist
// of four bits or more, the surest first; the smallest of equals. Where nothing keeps its quality,
// the least loss.
bool better(const Option& a, const Option& b, bool general_only) {
  if (a.against.size() != b.against.size()) return a.against.size() < b.against.size();
  const bool keeps = keeps_quality(a);
  if (keeps != keeps_quality(b)) return keeps;
  if (!general_only) {
    const auto unwise = [](const Option& option) { return option.distils() && option.risk > 1; };
    if (unwise(a) != unwise(b)) return unwise(b);
    if (a.distils() != b.distils()) return a.distils();
    if (a.risk != b.risk) return a.risk < b.risk;
  }
  if (!keeps) return a.expected_kl < b.expected_kl;
  return a.bytes < b.bytes;
}

Json to_json(const Option& option, const AdviseLimits& limits) {
  Json json = {
      {"plan", option.plan()},
      {"kind", option.kind},
      {"type", option.type},
      {"bytes", option.bytes},
      {"memory_bytes", option.memory},
      {"memory_needed_bytes", option.needed},
      {"bits_per_weight", option.bits},
      {"parameters", parameter_count(option.shape)},
      {"generation_tokens_per_s", option.tokens_per_s},
      {"speed_and_memory", option.measured ? "measured here on random weights of this shape"
                                           : "from this machine's measured limits"},
      {"quality", option.quality},
      {"fits", option.against.empty()},
      {"against", option.against},
      {"reasons", option.reasons}};
  if (option.items_per_s > 0) json["items_per_s"] = option.items_per_s;
  if (option.distils()) {
    json["start"] = option.cut ? "cut" : "fresh";
    json["vocabulary"] = option.task_vocabulary ? "task" : "whole";
    json["shape"] = {{"hidden", option.shape.hidden},         {"layers", option.shape.layers},
                     {"heads", option.shape.heads},           {"kv_heads", option.shape.kv_heads},
                     {"head_dim", option.shape.head_dim},     {"ffn", option.shape.ffn},
                     {"context", option.shape.context_length}};
    json["training"] = {{"inputs", option.items},
                        {"tokens", option.training.tokens},
                        {"flop", option.training.flop},
                        {"cpu_hours", option.training.cpu_hours},
                        {"gpu_hours", option.training.gpu_hours},
                        {"memory_bytes", option.training.training_bytes},
                        {"gpu", find_accelerator(limits.gpu).name}};
  }
  return json;
}

std::vector<std::string> would_change(const Option& best, const AdviseInput& input,
                                      const AdviseLimits& limits) {
  std::vector<std::string> change;
  if (!input.task && !limits.general)
    change.push_back(
        "a narrow task with training inputs (--task): a distilled specialist is 10-100 times "
        "smaller still");
  if (limits.general)
    change.push_back("giving up generality for one task (--task without --general)");
  if (best.distils())
    change.push_back(
        "needing the model for anything else (--general): then only quantizing is left");
  if (input.task && std::ssize(input.task->train) < kFewExamples)
    change.push_back(fmt::format(
        "at least {} training inputs (limbeck synthesize makes them from a few)", kFewExamples));
  if (best.kind == "keep" && input.bits_per_weight < 8.4)
    change.push_back(
        "the 16-bit original of this model: quantized once, to fewer bits, it would "
        "lose less than this file rounded again");
  if (best.kind == "quantize")
    change.push_back("a measured loss on your own task: limbeck compare, or advise --measure");
  if (best.distils())
    change.push_back("a teacher that fails its gate on the test set: limbeck eval it first");
  if (best.distils() && best.items < static_cast<double>(input.task->train.size()))
    change.push_back("more hours for training: all training inputs could then be used");
  return change;
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
  std::string speed = fmt::format("about {:.0f} tokens/s here", best.tokens_per_s);
  if (best.items_per_s > 0) speed = fmt::format("about {:.0f} items/s here", best.items_per_s);
  std::string sentence =
      best.against.empty()
          ? fmt::format("{}: {}, {}.", best.plan(), human_bytes(best.bytes), speed)
          : fmt::format("Nothing meets every limit. Nearest: {} ({}), but {}.", best.plan(),
                        human_bytes(best.bytes), best.against.front());
  sentence[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(sentence[0])));
  return {{"plan", best.plan()},
          {"sentence", sentence},
          {"would_change", would_change(best, input, limits)}};
}

void rank(std::vector<Option>& options, bool general_only) {
  std::ranges::stable_sort(
      options, [&](const Option& a, const Option& b) { return better(a, b, general_only); });
}

// Replaces what was predicted of the best options by measurements, for at most `seconds`.
void measure_best(std::vector<Option>& options, const AdviseInput& input,
                  const AdviseLimits& limits, const MachineLimits& machine, double seconds,
                  ThreadPool& pool) {
  double spent = 0;
  for (std::size_t i = 0; i < options.size() && spent < seconds; ++i) {
    Option& option = options[i];
    const auto probed = probe(option.shape, option.kind == "keep" ? "" : option.type, option.bits,
                              limits.context, pool);
    if (!probed) continue;
    spent += probed->seconds;
    option.measured = true;
    option.needed += probed->memory_bytes - option.memory;
    option.memory = probed->memory_bytes;
    option.tokens_per_s = probed->generation_tokens_per_s;
    predict_items(option, input, probed->prompt_tokens_per_s, probed->generation_tokens_per_s);
    std::erase_if(option.against, [](const std::string& text) {
      return text.starts_with("its memory") || text.find(" are under the ") != text.npos ||
             text.starts_with("its size");
    });
    check_limits(option, input, limits, machine);
  }
}

}  // namespace

Json advise(const AdviseInput& input, const AdviseLimits& limits, const MachineLimits& machine,
            ThreadPool* measure, double measure_seconds) {
  std::vector<Option> options = options_of(input, limits, machine);
  for (Option& option : options) check_limits(option, input, limits, machine);
  const bool general_only = limits.general || !input.task;
  rank(options, general_only);
  if (measure) {
    measure_best(options, input, limits, machine, measure_seconds, *measure);
    rank(options, general_only);
  }
  Json list = Json::array();
  for (const Option& option : options) list.push_back(to_json(option, limits));
  Json json = {{"schema", "limbeck.advise/1"},
               {"model",
                {{"path", input.model.string()},
                 {"family", name(input.architecture.family)},
                 {"parameters", parameter_count(input.architecture)},
                 {"bytes", input.file_bytes},
                 {"bits_per_weight", input.bits_per_weight}}},
               {"machine",
                {{"read_bandwidth", machine.read_bandwidth},
                 {"int8_products", machine.int8_products},
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

}  // namespace limbeck::pipeline

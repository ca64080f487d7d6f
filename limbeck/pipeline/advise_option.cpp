// The plans that make sense, and what is predicted of each.
#include "limbeck/pipeline/advise_option.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "limbeck/base/terminal.h"
#include "limbeck/pipeline/expectations.h"
#include "limbeck/quantize/plan.h"
#include "limbeck/report/results.h"
#include "limbeck/runtime/memory.h"

namespace limbeck::pipeline {
namespace {

using report::at;

// Shares of the machine's limits that the runtime reaches (limbeck bench prints them): of the read
// bandwidth in generation, of the int8 products in prompts; 16-bit weights have no int8 path.
constexpr double kGenerationShare = 0.75, kPromptShare = 0.4, kPromptShare16 = 0.15;
// Tokenizing, constraining and scheduling an item, seconds: measured on students whose arithmetic
// takes less.
constexpr double kItemOverhead = 0.0005;
constexpr double kRoundedBits = 8.4;  // a file of fewer holds rounded weights
constexpr double kCachedBytes = 8e6;  // of weights that stay in the caches of a common core

// Keys and values of the positions that the cache holds.
double cache_bytes(const Architecture& a, std::int64_t context) {
  const std::int64_t positions = std::min(context, a.context_length);
  return 2.0 * static_cast<double>(a.layers * a.kv_heads * a.head_dim * positions) * sizeof(float);
}

// Bytes read for each generated token: all weights but the other rows of an untied embedding.
double bytes_per_token(const Option& option) {
  if (option.shape.tied_embeddings) return option.bytes;
  const double embedding =
      static_cast<double>(option.shape.vocab_size * option.shape.hidden) * option.bits / 8;
  return std::max(option.bytes - embedding, 1.0);
}

void predict_running(Option& option, const AdviseInput& input, const AdviseLimits& limits,
                     const MachineLimits& machine) {
  const double parameters = count_of(option.shape);
  option.bits = 8 * option.bytes / parameters;
  // Re-laid for the kernels: those pages of the mapped file are let go.
  const bool packed = option.bits < 15;
  const std::int64_t prompt = std::clamp<std::int64_t>(
      limits.context, 1, std::min<std::int64_t>(512, option.shape.context_length));
  option.needed = option.bytes + cache_bytes(option.shape, limits.context) +
                  static_cast<double>(scratch_bytes(option.shape, static_cast<std::size_t>(prompt),
                                                    1, {.codes = packed, .bf16 = !packed}));
  option.memory = option.needed;
  const double read = bytes_per_token(option);
  const bool cached = read < kCachedBytes && machine.cache_bandwidth > 0;
  option.tokens_per_s =
      kGenerationShare * (cached ? machine.cache_bandwidth : machine.read_bandwidth) / read;
  const double prompt_rate =
      (packed ? kPromptShare : kPromptShare16) * machine.int8_products / std::max(parameters, 1.0);
  predict_items(option, input, std::max(prompt_rate, option.tokens_per_s), option.tokens_per_s);
}

// The score this very plan reached in an earlier comparison of this model, if there is one.
Json measured_quality(const Option& option, const AdviseInput& input) {
  const std::string role = option.kind == "quantize" ? "quantized"
                           : option.kind == "both"   ? "distilled+quantized"
                           : option.kind == "keep"   ? "original"
                                                     : "distilled";
  for (const Json& results : input.results) {
    const Json& models = at(results, {"models"});
    if (models.empty() || std::filesystem::path(models[0].value("path", "")).lexically_normal() !=
                              input.model.lexically_normal())
      continue;
    for (const Json& model : models) {
      const bool same_type = option.kind == "keep" || option.type == "f16" ||
                             model.value("name", "").find(option.type) != std::string::npos;
      const Json& tasks = at(model, {"tasks"});
      if (model.value("role", "") != role || !same_type || !tasks.is_array() || tasks.empty() ||
          !at(tasks[0], {"primary"}).is_string())
        continue;
      const std::string primary = tasks[0].at("primary").get<std::string>();
      Json quality = {
          {"expected", fmt::format("{} {} % on {}", primary,
                                   report::percent_interval(at(tasks[0], {"metrics", primary})),
                                   tasks[0].value("task", ""))},
          {"source", "measured here, " + results.value("created", "earlier")}};
      if (tasks[0].contains("difference")) quality["difference"] = tasks[0].at("difference");
      return quality;
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
  option.expected_kl = row ? row->kl : 0;
  if (const Json measured = measured_quality(option, input); !measured.is_null()) {
    option.quality = measured;
    return;
  }
  if (option.kind == "keep") {
    option.quality = {{"expected", "as it is now"}, {"source", "nothing is changed"}};
  } else if (option.kind == "quantize" && row) {
    option.quality = {
        {"expected",
         fmt::format(
             "KL {:.3f} nats, perplexity +{:.1f} % on an 8B model; smaller models lose more",
             row->kl, 100 * (row->perplexity / kFloatPerplexity - 1))},
        {"source", kQuantizationSource}};
  } else {
    const TaskKind kind = input.task ? input.task->kind : TaskKind::generation;
    const double times = count_of(input.architecture) / count_of(option.shape);
    const StudentRow* tried = nearest_student(kind, option.cut.has_value(), times);
    const DistillationRow& evidence = distillation_row(kind);
    std::string expected(evidence.expected), source(evidence.source);
    if (tried) {
      expected = fmt::format("points against its teacher of {} student {:.0f} times smaller: {}",
                             tried->cut ? "a cut" : "a fresh", tried->times_smaller, tried->what);
      source = kStudentSource;
    }
    if (option.kind == "both") {
      expected +=
          fmt::format("; rounding the student keeps about {:.1f} % of that", 100 * kHealedShare);
      source += fmt::format("; {}", kHealedSource);
    }
    option.quality = {{"expected", expected}, {"source", source}};
  }
}

std::vector<Option> keep_option(const AdviseInput& input) {
  if (input.file_bytes <= 0 && input.bits_per_weight >= kRoundedBits) return {};
  Option option;
  option.kind = "keep";
  option.shape = input.architecture;
  option.bytes = input.file_bytes > 0 ? input.file_bytes
                                      : count_of(input.architecture) * input.bits_per_weight / 8;
  option.reasons.push_back(
      input.bits_per_weight < kRoundedBits
          ? fmt::format("the file holds {:.1f} bits a weight already: rounding rounded weights "
                        "again loses more than rounding the original once",
                        input.bits_per_weight)
          : "nothing to do and nothing lost");
  return {option};
}

std::vector<Option> quantize_options(const AdviseInput& input) {
  std::vector<Option> options;
  for (const QuantizationRow& row : quantization_rows()) {
    Option option;
    option.kind = "quantize";
    option.type = row.mix;
    option.shape = input.architecture;
    option.bytes =
        static_cast<double>(total_bytes(plan_mix(find_mix(row.mix), input.architecture, true)));
    option.bytes += file_overhead(input.architecture, input.vocabulary, true);
    const double bits = 8 * option.bytes / count_of(option.shape);
    if (bits > 0.97 * input.bits_per_weight) continue;  // no smaller than what is there
    if (input.bits_per_weight < kRoundedBits)
      option.reasons.push_back(
          fmt::format("the file holds {:.1f} bits already: quantize its 16-bit original instead",
                      input.bits_per_weight));
    option.reasons.push_back("no training; it stays a generalist");
    if (row.kl > 0.05)
      option.reasons.push_back("below 4 bits quality falls fast: measure before use");
    if (!input.architecture.tied_embeddings || count_of(input.architecture) >= 1e9)
      option.reasons.push_back("large models bear rounding better than small ones");
    options.push_back(std::move(option));
  }
  return options;
}

}  // namespace

double count_of(const Architecture& architecture) {
  return static_cast<double>(parameter_count(architecture));
}

std::string Option::plan() const {
  if (kind == "keep") return "keep it as it is";
  if (kind == "quantize") return "quantize to " + type;
  const std::string student = fmt::format(
      "distil into {} parameters{}", human_count(count_of(shape)), cut ? " cut out of it" : "");
  return kind == "both" ? fmt::format("{}, then quantize to {}", student, type) : student;
}

void predict_items(Option& option, const AdviseInput& input, double prompt_per_s,
                   double generation_per_s) {
  if (!input.task) return;
  const TaskSize size = task_size(*input.task);
  option.items_per_s = 1 / (size.prompt_tokens / prompt_per_s +
                            size.answer_tokens / generation_per_s + kItemOverhead);
}

void check_limits(Option& option, const AdviseInput& input, const AdviseLimits& limits,
                  const MachineLimits& machine) {
  const auto at_most = [&](double value, double limit, const char* what, const char* of) {
    if (limit > 0 && value > limit)
      option.against.push_back(
          fmt::format("{} {} is over {} {}", what, human_bytes(value), of, human_bytes(limit)));
  };
  const auto at_least = [&](double value, double limit, const char* what) {
    if (limit > 0 && value < limit)
      option.against.push_back(
          fmt::format("{:.1f} {} are under the {:.1f} asked for", value, what, limit));
  };
  at_most(option.bytes, limits.max_bytes, "its size of", "the limit of");
  if (limits.max_memory > 0) {
    at_most(option.needed, limits.max_memory, "its memory of", "the limit of");
  } else {
    at_most(option.needed, machine.memory_bytes, "its memory of", "this machine's");
  }
  at_least(option.tokens_per_s, limits.min_tokens_per_s, "tokens/s");
  if (input.task) at_least(option.items_per_s, limits.min_items_per_s, "items/s");
}

std::vector<Option> options_of(const AdviseInput& input, const AdviseLimits& limits,
                               const MachineLimits& machine) {
  std::vector<Option> options = keep_option(input);
  for (Option& option : quantize_options(input)) options.push_back(std::move(option));
  for (Option& option : distil_options(input, limits, machine))
    options.push_back(std::move(option));
  for (Option& option : options) {
    predict_running(option, input, limits, machine);
    expect_quality(option, input);
  }
  return options;
}

}  // namespace limbeck::pipeline

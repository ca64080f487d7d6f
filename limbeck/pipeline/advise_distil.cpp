// Specialists for one task: which students make sense, what they cost, what speaks against them.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "limbeck/base/terminal.h"
#include "limbeck/pipeline/advise_option.h"
#include "limbeck/pipeline/expectations.h"
#include "limbeck/quantize/plan.h"

namespace limbeck::pipeline {
namespace {

constexpr double kSmallest = 3e5;  // parameters: below, nothing was ever tried

// As many training inputs as the hours allow; all of them where they fit.
double affordable_items(const AdviseInput& input, const Student& student,
                        const AdviseLimits& limits, const MachineLimits& machine) {
  const auto all = static_cast<double>(input.task->train.size());
  const TrainingCost whole =
      training_cost(*input.task, all, input.architecture, student, machine, limits.gpu);
  const double hours = limits.gpu_hours > 0 ? whole.gpu_hours : whole.cpu_hours;
  const double budget = limits.gpu_hours > 0 ? limits.gpu_hours : limits.cpu_hours;
  return hours > budget && hours > 0 ? std::floor(all * budget / hours) : all;
}

void say_examples(Option& option, double all) {
  const auto few = static_cast<double>(kFewExamples);
  option.reasons.push_back(
      fmt::format("one narrow task with {} training inputs: a specialist needs a fraction of the "
                  "parameters",
                  human_count(all)));
  option.reasons.push_back("it forgets everything but this task");
  if (option.items < all && option.items >= few)
    option.reasons.push_back(fmt::format("{} of the {} training inputs fit the hours",
                                         human_count(option.items), human_count(all)));
  if (all < few) {
    option.against.push_back(
        fmt::format("{} training inputs are too few (at least {}): synthesize or collect more",
                    human_count(all), kFewExamples));
  } else if (option.items < few) {
    option.against.push_back(
        fmt::format("only {} training inputs fit the hours (at least {} are needed)",
                    human_count(option.items), kFewExamples));
  }
}

void say_training(Option& option, const AdviseLimits& limits, const MachineLimits& machine) {
  const bool accelerated = limits.gpu_hours > 0;
  if (machine.train_flops <= 0 && !accelerated)
    option.against.push_back(
        "training is not possible here: no trainer in this build and no accelerator named");
  const double memory =
      accelerated ? find_accelerator(limits.gpu).memory_bytes : machine.memory_bytes;
  if (option.training.training_bytes > memory)
    option.against.push_back(fmt::format(
        "its training takes {} of memory, {} has {}", human_bytes(option.training.training_bytes),
        accelerated ? find_accelerator(limits.gpu).name : "this machine", human_bytes(memory)));
  if (option.training.cutting_bytes > machine.memory_bytes)
    option.against.push_back(fmt::format("cutting takes the whole teacher in memory, {} of {}",
                                         human_bytes(option.training.cutting_bytes),
                                         human_bytes(machine.memory_bytes)));
}

void say_risk(Option& option, TaskKind kind, double times_smaller) {
  option.risk = student_risk(kind, option.cut.has_value(), times_smaller);
  if (option.cut)
    option.reasons.push_back(
        "cut out of its teacher it keeps what that can do, such as copying out of the input");
  const StudentRow* row = nearest_student(kind, option.cut.has_value(), times_smaller);
  if (row && times_smaller > 1.5 * row->times_smaller)
    option.reasons.push_back(
        fmt::format("{:.0f} times smaller than its teacher, of {} measured: expect to lose more",
                    times_smaller, std::lround(row->times_smaller)));
}

// The student in every type that makes sense.
void add_types(const AdviseInput& input, const AdviseLimits& limits, const MachineLimits& machine,
               const Student& student, std::vector<Option>& options) {
  const bool trimmed = input.task_vocabulary.tokens > 0;
  for (const char* type : {"f16", "q8_0", "q4_k_m"}) {
    Option option;
    option.kind = type == std::string("f16") ? "distil" : "both";
    option.type = type;
    option.shape = student.shape;
    option.cut = student.cut;
    option.task_vocabulary = trimmed;
    const bool rounded = option.kind == "both";
    option.bytes =
        rounded ? static_cast<double>(total_bytes(plan_mix(find_mix(type), student.shape, true)))
                : 2 * count_of(student.shape);
    option.bytes +=
        file_overhead(student.shape, trimmed ? input.task_vocabulary : input.vocabulary, rounded);
    option.items = affordable_items(input, student, limits, machine);
    option.training =
        training_cost(*input.task, option.items, input.architecture, student, machine, limits.gpu);
    say_examples(option, static_cast<double>(input.task->train.size()));
    say_risk(option, input.task->kind, count_of(input.architecture) / count_of(student.shape));
    say_training(option, limits, machine);
    options.push_back(std::move(option));
  }
}

}  // namespace

std::vector<Option> distil_options(const AdviseInput& input, const AdviseLimits& limits,
                                   const MachineLimits& machine) {
  std::vector<Option> options;
  if (!input.task || limits.general) return options;
  const double parameters = count_of(input.architecture);
  Architecture teacher = input.architecture;  // as far as its students are concerned
  if (input.task_vocabulary.tokens > 0) teacher.vocab_size = input.task_vocabulary.tokens;
  std::int64_t last_fresh = 0, last_cut = 0;
  for (const double factor : {20.0, 50.0, 100.0, 300.0, 1000.0, 3000.0}) {
    const double target = std::max(parameters / factor, kSmallest);
    const auto add = [&](const Student& student, std::int64_t& last) {
      const std::int64_t size = parameter_count(student.shape);
      if (static_cast<double>(size) > parameters / 2 || size == last) return;
      last = size;
      add_types(input, limits, machine, student, options);
    };
    if (can_be_cut(teacher)) {
      const distill::CutShape shape = cut_shape(teacher, target);
      add({cut_architecture(teacher, shape), StudentCut{shape, 0}}, last_cut);
    }
    add({student_shape(teacher, target), {}}, last_fresh);
  }
  return options;
}

}  // namespace limbeck::pipeline

// limbeck synthesize: new training rows from a few, written and judged by a teacher.
#include "limbeck/teacher/synthesize.h"

#include <fmt/ranges.h>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/teacher_options.h"
#include "limbeck/format/rows.h"
#include "limbeck/task/words.h"

namespace limbeck::cli {
namespace {

constexpr const char* kSynthesizeExamples =
    "limbeck synthesize --task tasks/routing --teacher http://127.0.0.1:8080/v1#big --count 2000 "
    "-o train-new.jsonl\n"
    "limbeck synthesize --task tasks/routing --teacher big.gguf --teacher other.gguf -o new.jsonl";

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  const std::string text = read_file(path, 1 << 20);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    if (const auto line = trimmed(std::string_view(text).substr(at, end - at)); !line.empty())
      lines.emplace_back(line);
    at = end + 1;
  }
  return lines;
}

void print_report(const Json& report, const std::string& output) {
  std::string text = fmt::format("{} rows of {} inputs written by the teacher: {}\n",
                                 report["accepted"].dump(), report["asked"].dump(), output);
  for (const auto& [reason, n] : report["rejected"].items())
    text += fmt::format("  left out, {}: {}\n", reason, n.dump());
  const Json& leakage = report["leakage"];
  text += fmt::format(
      "leakage: {} inputs near a test input left out; the nearest kept is {:.2f} similar\n",
      leakage["rejected_near_test"].dump(), leakage["nearest_kept"].get<double>());
  print(text);
}

}  // namespace

int run_synthesize(int argc, char** argv) {
  std::string task_folder, output, topics;
  std::vector<std::string> models;
  EndpointBudget budget;
  SynthesisOptions options;
  Arguments arguments("synthesize",
                      "New training rows from a few: a teacher writes inputs like the task's own, "
                      "and answers them; what is invalid, doubtful or said already is left out",
                      kSynthesizeExamples);
  CLI::App& app = arguments.app();
  app.add_option("--task", task_folder, "Task folder: its rows with outputs are the seeds")
      ->required();
  app.add_option("--teacher", models,
                 "Model folder, .gguf file or endpoint; the first writes, several vote")
      ->required()
      ->allow_extra_args(false);
  app.add_option("-o,--output", output, "The new rows; what was left out is in FILE.rejects.jsonl")
      ->required();
  app.add_option("--count", options.count, "Rows wanted")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seeds", options.seeds, "Rows of the task to begin with, at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--topics", topics, "A file of topics, one a line, to ask inputs about");
  app.add_option("--votes", options.votes, "Sampled answers of one teacher that must agree")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--agreement", options.agreement, "Share of the votes that an answer needs")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--duplicate", options.duplicate, "Similarity from which a text is a repeat")
      ->check(CLI::Range(0.05, 1.0))
      ->capture_default_str();
  app.add_option("--temperature", options.temperature, "Of inputs and of votes")
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
  add_endpoint_options(app, budget);
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;
  check_budget(budget, "limbeck synthesize");

  const Task task = read_task(task_folder);
  options.seed = arguments.common().seed;
  options.store = output + ".answers.sqlite";  // a killed run goes on from here
  if (!topics.empty()) options.topics = lines_of(topics);
  ThreadPool pool(arguments.common().threads);
  std::vector<std::unique_ptr<OpenTeacher>> opened;
  std::vector<OpenTeacher*> teachers;
  for (const std::string& model : models) {
    opened.push_back(std::make_unique<OpenTeacher>(TeacherChoice{model, budget, {}}, pool));
    teachers.push_back(opened.back().get());
  }
  const Synthesized made = synthesize(teachers, task, options);
  write_jsonl(output, made.rows);
  write_jsonl(output + ".rejects.jsonl", made.rejects);
  if (arguments.common().json) {
    print_json(made.report);
  } else {
    print_report(made.report, output);
  }
  return 0;
}

}  // namespace limbeck::cli

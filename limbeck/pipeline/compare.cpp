#include "limbeck/pipeline/compare.h"

#include <algorithm>
#include <ctime>
#include <memory>
#include <numeric>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/pipeline/bits_curve.h"
#include "limbeck/pipeline/compare_details.h"
#include "limbeck/pipeline/run_folder.h"
#include "limbeck/report/html.h"
#include "limbeck/report/results.h"
#include "limbeck/report/tables.h"
#include "limbeck/report/verdict.h"

namespace limbeck::pipeline {
namespace {

constexpr std::uint64_t kMostTextBytes = std::uint64_t{1} << 30;

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

// Right/wrong scores take Tango's interval and McNemar's exact test, others the paired bootstrap.
Json difference_of(std::span<const double> first, std::span<const double> other,
                   std::uint64_t seed) {
  const auto binary = [](std::span<const double> scores) {
    return std::ranges::all_of(scores, [](double score) { return score == 0 || score == 1; });
  };
  const bool exact = binary(first) && binary(other);
  const Interval interval =
      exact ? paired_proportions(first, other) : paired_difference(first, other, seed);
  return {{"value", interval.value},
          {"low", interval.low},
          {"high", interval.high},
          {"p", exact ? mcnemar(first, other) : paired_bootstrap_p(first, other, seed)},
          {"test", exact ? "McNemar, exact" : "paired bootstrap"}};
}

std::vector<LoadedTask> load_tasks(const CompareOptions& options) {
  std::vector<LoadedTask> tasks;
  for (const auto& path : options.tasks) {
    LoadedTask loaded{read_task(path), {}, {}};
    for (const std::string& note : loaded.task.notes)
      say_verbose(fmt::format("{}: {}", loaded.task.name, note));
    loaded.examples = loaded.task.test;
    if (options.limit > 0 && static_cast<std::int64_t>(loaded.examples.size()) > options.limit)
      loaded.examples.resize(static_cast<std::size_t>(options.limit));
    Json asked = {loaded.task.name,          name(loaded.task.kind), loaded.task.instruction,
                  loaded.task.labels,        loaded.task.schema,     loaded.task.tools,
                  loaded.task.parallel_calls};
    for (const Example& example : loaded.examples)
      asked.push_back({example.input, example.output.value_or(nullptr)});
    loaded.hash = key_of(asked);
    tasks.push_back(std::move(loaded));
  }
  return tasks;
}

std::vector<std::pair<std::string, std::string>> load_texts(const CompareOptions& options) {
  std::vector<std::pair<std::string, std::string>> texts;
  for (const auto& path : options.texts)
    texts.emplace_back(path.stem().string(), read_file(path, kMostTextBytes));
  return texts;
}

// Holm's step-down over the models' differences on one task: what p is worth among many looks.
void adjust_p(Json& models, std::size_t task) {
  std::vector<Json*> differences;
  for (Json& model : models) {
    Json& entry = model.at("tasks")[task];
    if (entry.contains("difference")) differences.push_back(&entry["difference"]);
  }
  std::ranges::stable_sort(differences, {}, [](const Json* d) { return d->at("p").get<double>(); });
  double running = 0;
  for (std::size_t i = 0; i < differences.size(); ++i) {
    const double p = differences[i]->at("p").get<double>();
    running = std::max(running, std::min(1.0, p * static_cast<double>(differences.size() - i)));
    (*differences[i])["p_adjusted"] = running;
  }
}

class Comparison {
 public:
  Comparison(const CompareOptions& options, ThreadPool& pool)
      : options_(options), pool_(pool), cache_(options.cache) {}

  Json run() {
    if (options_.models.empty()) fail(ErrorKind::usage, "compare: no model was given");
    check_bits(options_.bits);
    tasks_ = load_tasks(options_);
    texts_ = load_texts(options_);
    results_.resize(tasks_.size());
    const auto models = with_bits(options_, tasks_.empty() ? nullptr : &tasks_[0].task, pool_);
    for (const ComparedModel& model : models)
      subjects_.push_back(
          std::make_unique<Subject>(model, subjects_.empty(), options_, cache_, pool_));
    name_apart();
    for (const auto& subject : subjects_) measure(*subject);
    refuse_nothing();
    return result();
  }

 private:
  // Two models of one name could not be told apart in a table.
  void name_apart() {
    for (std::size_t i = 0; i < subjects_.size(); ++i) {
      for (std::size_t j = 0, n = 1; j < i; ++j) {
        if (subjects_[j]->json().at("name") == subjects_[i]->name())
          subjects_[i]->json()["name"] = fmt::format("{} ({})", subjects_[i]->name(), ++n);
      }
    }
  }

  void measure(Subject& subject) {
    subject.measure_speed();
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      std::optional<TaskScores> scores = subject.run_task(tasks_[t]);
      Json json = scores ? scores->summary : Json{{"task", tasks_[t].task.name}};
      if (scores && !results_[t].empty() && results_[t][0])
        json["difference"] = difference_of(results_[t][0]->primary, scores->primary, options_.seed);
      if (scores && t == 0 && options_.speed && !subject.is_endpoint())
        subject.json()["items_per_s"] =
            static_cast<double>(scores->items.size()) / std::max(scores->seconds, 1e-9);
      subject.json()["tasks"].push_back(std::move(json));
      if (scores && t == 0) subject.measure_latency(tasks_[t]);
      results_[t].push_back(std::move(scores));
    }
    Subject* first = &subject == subjects_[0].get() ? nullptr : subjects_[0].get();
    for (const auto& [name, text] : texts_) subject.measure_text(name, text, first);
    if (first) subject.unload();
  }

  // A table without a single score is no comparison: the first reason is told instead.
  void refuse_nothing() {
    for (const auto& subject : subjects_) {
      for (const char* list : {"tasks", "texts"}) {
        for (const Json& entry : subject->json().at(list)) {
          if (entry.size() > 1) return;
        }
      }
    }
    for (const auto& subject : subjects_) {
      if (subject->failure()) throw Error(*subject->failure());
    }
  }

  Json result() {
    Json models = Json::array();
    for (const auto& subject : subjects_) models.push_back(subject->json());
    for (std::size_t t = 0; t < tasks_.size(); ++t) adjust_p(models, t);
    Json json = {{"schema", report::kSchema},
                 {"created", utc_now()},
                 {"command", options_.command},
                 {"seed", options_.seed},
                 {"machine", describe_machine(pool_)},
                 {"task", nullptr},
                 {"models", models}};
    if (!tasks_.empty()) {
      const LoadedTask& task = tasks_[0];
      json["task"] = {{"name", task.task.name},
                      {"kind", name(task.task.kind)},
                      {"metric", primary_metric(task.task.kind)},
                      {"n", task.examples.size()},
                      {"sha256", task.hash}};
      json["disagreements"] = disagreements_of(task, results_[0], models);
      json["classes"] = classes_of(task, results_[0]);
      json["confusions"] = confusions_of(task, results_[0], models);
    }
    json["verdict"] = report::verdict(json);
    return json;
  }

  const CompareOptions& options_;
  ThreadPool& pool_;
  MeasurementCache cache_;
  std::vector<LoadedTask> tasks_;
  std::vector<std::pair<std::string, std::string>> texts_;
  std::vector<std::unique_ptr<Subject>> subjects_;
  std::vector<ScoresOfModels> results_;  // [task][model]
};

}  // namespace

Json compare(const CompareOptions& options, ThreadPool& pool) {
  return Comparison(options, pool).run();
}

void write_reports(const Json& results, const std::filesystem::path& folder) {
  write_file(folder / "results.json", to_text(results, 1) + "\n");
  write_file(folder / "report.md", report::markdown(results));
  write_file(folder / "report.html", report::html_page(results));
}

}  // namespace limbeck::pipeline

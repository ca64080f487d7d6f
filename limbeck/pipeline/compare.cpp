#include "limbeck/pipeline/compare.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <set>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/evaluate/evaluate.h"
#include "limbeck/evaluate/speed.h"
#include "limbeck/pipeline/run_folder.h"
#include "limbeck/report/html.h"
#include "limbeck/report/results.h"
#include "limbeck/report/tables.h"
#include "limbeck/report/verdict.h"

namespace limbeck::pipeline {
namespace {

constexpr std::size_t kDisagreements = 20, kConfusions = 10, kLatencyItems = 64;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Json to_json(const Interval& interval) {
  return {{"value", interval.value}, {"low", interval.low}, {"high", interval.high}};
}

// Resident memory once the allocator has given back what earlier models left.
std::uint64_t settled_resident_bytes() {
  ::malloc_trim(0);
  return resident_bytes();
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

// Right/wrong scores take McNemar's exact test, others the paired bootstrap.
Json difference_of(std::span<const double> first, std::span<const double> other,
                   std::uint64_t seed) {
  Json json = to_json(paired_difference(first, other, seed));
  const auto binary = [](std::span<const double> scores) {
    return std::ranges::all_of(scores, [](double score) { return score == 0 || score == 1; });
  };
  const bool exact = binary(first) && binary(other);
  json["p"] = exact ? mcnemar(first, other) : paired_bootstrap_p(first, other, seed);
  json["test"] = exact ? "McNemar, exact" : "paired bootstrap";
  return json;
}

struct Tensors {
  std::uint64_t bytes = 0;
  std::map<std::string, std::int64_t> types;
};

Tensors count_tensors(const Checkpoint& checkpoint) {
  Tensors counted;
  for (const NamedTensor& tensor : tensors_of(checkpoint)) {
    std::int64_t weights = 1;
    for (const std::int64_t size : tensor.shape) weights *= size;
    const std::int64_t columns = tensor.shape.empty() ? 1 : tensor.shape.back();
    counted.types[std::string(info(tensor.type).name)] += weights;
    counted.bytes += columns > 0 ? static_cast<std::uint64_t>(weights / columns) *
                                       row_bytes(tensor.type, columns)
                                 : 0;
  }
  return counted;
}

std::string guess_role(const Checkpoint& checkpoint, bool first) {
  if (first) return "original";
  const Json& manifest = checkpoint.manifest();
  const bool distilled = manifest.contains("teacher"),
             quantized = count_tensors(checkpoint).types.size() > 1;
  if (distilled) return quantized ? "distilled+quantized" : "distilled";
  return quantized ? "quantized" : "model";
}

// The training a model needed, as its manifest tells.
Json training_of(const Json& manifest) {
  Json training = manifest.value("training", Json::object());
  if (const auto quantization = manifest.find("quantization");
      quantization != manifest.end() && quantization->contains("calibration_tokens")) {
    training["calibration_tokens"] = quantization->at("calibration_tokens");
  }
  return training;
}

// One model under measurement, and what later steps need of it.
class Subject {
 public:
  Subject(const ComparedModel& what, bool first, ThreadPool& pool)
      : pool_(pool),
        resident_before_(settled_resident_bytes()),
        begin_(now_s()),
        checkpoint_(Checkpoint::open(what.path)),
        model_(checkpoint_) {
    load_s_ = now_s() - begin_;
    const Architecture& architecture = checkpoint_.architecture();
    const Tensors tensors = count_tensors(checkpoint_);
    const auto parameters = static_cast<double>(parameter_count(architecture));
    const std::filesystem::path path = std::filesystem::path(what.path).lexically_normal();
    json_ = {{"name", what.name.empty()
                          ? (path.has_filename() ? path : path.parent_path()).filename().string()
                          : what.name},
             {"path", what.path},
             {"role", what.role.empty() ? guess_role(checkpoint_, first) : what.role},
             {"format", checkpoint_.format() == Checkpoint::Format::gguf ? "gguf" : "safetensors"},
             {"sha256", content_hash(what.path)},
             {"bytes", checkpoint_.file_bytes()},
             {"parameters", parameters},
             {"layers", architecture.layers},
             {"hidden", architecture.hidden},
             {"vocabulary", architecture.vocab_size},
             {"bits_per_weight", 8 * static_cast<double>(tensors.bytes) / parameters},
             {"types", tensors.types},
             {"load_s", load_s_},
             {"tasks", Json::array()},
             {"texts", Json::array()},
             {"training", training_of(checkpoint_.manifest())},
             {"not_measured", Json::object()}};
  }

  TaskResult run_task(const Task& task, std::span<const Example> examples,
                      const CompareOptions& options) {
    Progress progress(fmt::format("{} on {}", name(), task.name), examples.size(), "items");
    const double begin = now_s();
    const auto answers = answer_locally(model_, pool_, task, examples, answer_options(options),
                                        [&](std::size_t done) { progress.update(done); });
    TaskResult result = score_task(task, examples, answers);
    result.seconds = now_s() - begin;
    return result;
  }

  void measure_latency(const Task& task, std::span<const Example> examples,
                       const CompareOptions& options) {
    std::vector<double> seconds;
    for (const Example& example : examples.first(std::min(examples.size(), kLatencyItems))) {
      const double begin = now_s();
      answer_locally(model_, pool_, task, std::span(&example, 1), answer_options(options));
      seconds.push_back(now_s() - begin);
    }
    std::ranges::sort(seconds);
    json_["p50_s"] = seconds[seconds.size() / 2];
    json_["p95_s"] = seconds[seconds.size() * 95 / 100];
  }

  void measure_speed() {
    const SpeedResult speed = measure_speed_of(model_, pool_);
    json_["prompt_tokens_per_s"] = to_json(speed.prompt_tokens_per_s);
    json_["generation_tokens_per_s"] = to_json(speed.generation_tokens_per_s);
    // What this model added to the process: weights it touched, cache and scratch.
    json_["peak_bytes"] = speed.peak_bytes - std::min(speed.peak_bytes, resident_before_);
  }

  TextResult run_text(std::string_view text, const CompareOptions& options,
                      const Subject* reference) {
    TextOptions text_options;
    text_options.max_tokens = options.text_tokens;
    const std::int64_t context = reference
                                     ? std::min(model_.architecture().context_length,
                                                reference->model_.architecture().context_length)
                                     : model_.architecture().context_length;
    text_options.context = std::min<std::int64_t>(text_options.context, context);
    return evaluate_text(model_, checkpoint_.tokenizer(), pool_, text, text_options,
                         reference ? &reference->model_ : nullptr);
  }

  const Tokenizer& tokenizer() const { return checkpoint_.tokenizer(); }
  std::string name() const { return json_.at("name").get<std::string>(); }
  Json& json() { return json_; }
  void not_measured(const std::string& what, const std::string& why) {
    json_["not_measured"][what] = why;
  }

 private:
  AnswerOptions answer_options(const CompareOptions& options) const {
    AnswerOptions answer;
    answer.constrained = options.constrained;
    answer.style = prompt_style_of(checkpoint_.manifest());
    return answer;
  }

  ThreadPool& pool_;
  std::uint64_t resident_before_;
  double begin_, load_s_ = 0;
  Checkpoint checkpoint_;
  Model model_;
  Json json_;
};

struct LoadedTask {
  Task task;
  std::vector<Example> examples;
};

std::vector<LoadedTask> load_tasks(const CompareOptions& options) {
  std::vector<LoadedTask> tasks;
  for (const auto& path : options.tasks) {
    LoadedTask loaded{read_task(path), {}};
    loaded.examples = loaded.task.test;
    if (options.limit > 0 && static_cast<std::int64_t>(loaded.examples.size()) > options.limit)
      loaded.examples.resize(static_cast<std::size_t>(options.limit));
    tasks.push_back(std::move(loaded));
  }
  return tasks;
}

Json disagreements_of(const LoadedTask& task, const std::vector<TaskResult>& results,
                      const Json& models) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < task.examples.size() && rows.size() < kDisagreements; ++i) {
    std::set<std::string> predictions;
    for (const TaskResult& result : results) predictions.insert(result.items[i].predicted);
    if (predictions.size() < 2) continue;
    Json answers = Json::array();
    for (std::size_t m = 0; m < results.size(); ++m) {
      answers.push_back({{"model", models[m].at("name")},
                         {"answer", results[m].items[i].predicted},
                         {"right", results[m].items[i].primary == 1}});
    }
    const Json& input = task.examples[i].input;
    rows.push_back({{"input", input.is_string() ? input.get<std::string>() : to_text(input)},
                    {"gold", results[0].items[i].gold},
                    {"answers", answers}});
  }
  return rows;
}

Json classes_of(const LoadedTask& task, const std::vector<TaskResult>& results) {
  Json rows = Json::array();
  if (task.task.kind != TaskKind::classification) return rows;
  std::map<std::string, std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < task.examples.size(); ++i)
    members[results[0].items[i].gold].push_back(i);
  for (const auto& [label, items] : members) {
    Json recall = Json::array();
    for (const TaskResult& result : results) {
      double right = 0;
      for (const std::size_t i : items) right += result.items[i].primary;
      recall.push_back(right / static_cast<double>(items.size()));
    }
    rows.push_back({{"class", label}, {"n", items.size()}, {"recall", recall}});
  }
  return rows;
}

Json confusions_of(const LoadedTask& task, const std::vector<TaskResult>& results,
                   const Json& models) {
  Json rows = Json::array();
  if (task.task.kind != TaskKind::classification) return rows;
  for (std::size_t m = 0; m < results.size(); ++m) {
    std::map<std::pair<std::string, std::string>, int> counts;
    for (const ItemScore& item : results[m].items) {
      if (item.primary == 0) ++counts[{item.gold, item.predicted}];
    }
    std::vector<std::pair<std::pair<std::string, std::string>, int>> sorted(counts.begin(),
                                                                            counts.end());
    std::ranges::stable_sort(sorted, std::greater{}, &decltype(sorted)::value_type::second);
    for (std::size_t i = 0; i < std::min(sorted.size(), kConfusions); ++i) {
      rows.push_back({{"model", models[m].at("name")},
                      {"gold", sorted[i].first.first},
                      {"predicted", sorted[i].first.second},
                      {"n", sorted[i].second}});
    }
  }
  return rows;
}

void measure_tasks(Subject& subject, const std::vector<LoadedTask>& tasks,
                   const CompareOptions& options, std::vector<std::vector<TaskResult>>& results) {
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    TaskResult result = subject.run_task(tasks[t].task, tasks[t].examples, options);
    Json json = limbeck::to_json(result);
    json["primary"] = result.primary;
    if (!results[t].empty())
      json["difference"] =
          difference_of(results[t][0].item_scores, result.item_scores, options.seed);
    if (t == 0)
      subject.json()["items_per_s"] =
          static_cast<double>(result.n) / std::max(result.seconds, 1e-9);
    subject.json()["tasks"].push_back(std::move(json));
    results[t].push_back(std::move(result));
  }
  if (options.speed && !tasks.empty() && !tasks[0].examples.empty())
    subject.measure_latency(tasks[0].task, tasks[0].examples, options);
}

void measure_texts(Subject& subject, const Subject* first,
                   const std::vector<std::pair<std::string, std::string>>& texts,
                   const CompareOptions& options) {
  for (const auto& [name, text] : texts) {
    const bool comparable = first && first->tokenizer().hash() == subject.tokenizer().hash();
    if (first && !comparable)
      subject.not_measured("KL on " + name, "its vocabulary differs from the first model's");
    const TextResult result = subject.run_text(text, options, comparable ? first : nullptr);
    Json json = limbeck::to_json(result);
    json["text"] = name;
    json["perplexity"] = to_json(result.perplexity);
    if (result.has_reference) json["same_top1"] = to_json(result.same_top1);
    subject.json()["texts"].push_back(std::move(json));
  }
}

}  // namespace

Json compare(const CompareOptions& options, ThreadPool& pool) {
  if (options.models.empty()) fail(ErrorKind::usage, "compare: no model was given");
  const std::vector<LoadedTask> tasks = load_tasks(options);
  std::vector<std::pair<std::string, std::string>> texts;
  for (const auto& path : options.texts)
    texts.emplace_back(path.stem().string(), read_file(path, std::uint64_t{1} << 30));

  Json models = Json::array();
  std::vector<std::vector<TaskResult>> results(tasks.size());
  std::unique_ptr<Subject> first;
  for (const ComparedModel& what : options.models) {
    auto subject = std::make_unique<Subject>(what, !first, pool);
    if (options.speed) subject->measure_speed();
    measure_tasks(*subject, tasks, options, results);
    measure_texts(*subject, first.get(), texts, options);
    models.push_back(subject->json());
    if (!first) first = std::move(subject);
  }

  Json json = {{"schema", report::kSchema},
               {"created", utc_now()},
               {"command", options.command},
               {"seed", options.seed},
               {"machine", describe_machine(pool)},
               {"task", nullptr},
               {"models", models}};
  if (!tasks.empty()) {
    json["task"] = {{"name", tasks[0].task.name},
                    {"kind", name(tasks[0].task.kind)},
                    {"metric", results[0][0].primary},
                    {"n", tasks[0].examples.size()}};
    json["disagreements"] = disagreements_of(tasks[0], results[0], models);
    json["classes"] = classes_of(tasks[0], results[0]);
    json["confusions"] = confusions_of(tasks[0], results[0], models);
  }
  json["verdict"] = report::verdict(json);
  return json;
}

void write_reports(const Json& results, const std::filesystem::path& folder) {
  write_file(folder / "results.json", to_text(results, 1) + "\n");
  write_file(folder / "report.md", report::markdown(results));
  write_file(folder / "report.html", report::html_page(results));
}

}  // namespace limbeck::pipeline

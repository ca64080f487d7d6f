// One model of a comparison: what is known of it from its files, and what is measured of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/evaluate/evaluate.h"
#include "limbeck/pipeline/compare.h"
#include "limbeck/pipeline/measurement_cache.h"

namespace limbeck::pipeline {

struct LoadedTask {
  Task task;
  std::vector<Example> examples;  // the test items asked
  std::string hash;               // of all that the answers depend on
};

// A task's scores as far as a comparison needs them: from a measurement, or from the cache.
struct TaskScores {
  Json summary;                  // {"task", "kind", "n", "metrics", "primary"}
  std::vector<double> primary;   // per item
  std::vector<ItemScore> items;  // predicted, gold, primary and by_field
  double seconds = 0;
};

class Subject {
 public:
  // Opens the model's files without loading weights. Everything referred to must outlive this.
  // Throws as Checkpoint::open.
  Subject(const ComparedModel& what, bool first, const CompareOptions& options,
          const MeasurementCache& cache, ThreadPool& pool);
  ~Subject();

  // Each adds to json(), and what cannot be measured to its "not_measured".
  void measure_speed();
  std::optional<TaskScores> run_task(const LoadedTask& task);
  void measure_latency(const LoadedTask& task);
  void measure_text(const std::string& name, std::string_view text, Subject* reference);
  void unload();  // frees the weights; the next measurement loads them again

  const std::string& name() const noexcept { return name_; }
  bool is_endpoint() const noexcept { return endpoint_; }
  Json& json() noexcept { return json_; }
  void not_measured(const std::string& what, const std::string& why);
  // The first error that kept a task or text from being measured.
  const std::optional<Error>& failure() const noexcept { return failure_; }

 private:
  struct Loaded;
  Loaded& load();
  AnswerOptions answer_options() const;
  Json key(const Json& more) const;
  std::vector<Answer> ask(const LoadedTask& task, std::span<const Example> examples,
                          const std::function<void(std::size_t)>& on_done);
  void failed(const std::string& what, const Error& error);
  Json run_speed();
  Json run_text(std::string_view text, Subject* reference);

  const CompareOptions& options_;
  const MeasurementCache& cache_;
  ThreadPool& pool_;
  std::string name_, path_, hash_;
  bool endpoint_ = false;
  std::unique_ptr<Checkpoint> checkpoint_;  // null: an endpoint
  std::unique_ptr<Loaded> loaded_;
  Json json_;
  std::optional<Error> failure_;
};

}  // namespace limbeck::pipeline

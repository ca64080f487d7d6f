// Labelling by name: what a recipe and the command line say, from model path to answers.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/thread_pool.h"
#include "limbeck/teacher/endpoint.h"
#include "limbeck/teacher/teacher.h"

namespace limbeck {

// "http://host:port/v1#model-name" (or https): an OpenAI-compatible endpoint, anything else a path.
bool is_endpoint(std::string_view model) noexcept;

// A teacher as users name it.
struct TeacherChoice {
  std::string model;      // folder, GGUF file, or endpoint
  EndpointBudget budget;  // endpoints
  // Endpoints: a model whose token ids the soft labels get; empty: answers are text alone.
  std::filesystem::path vocabulary;
};

// A teacher with all it needs: the opened checkpoint and model, or the connection. `style`: the
// prompt it expects, from its manifest; full for endpoints.
class OpenTeacher {
 public:
  // Throws as Checkpoint::open, Tokenizer::open and endpoint_teacher.
  OpenTeacher(const TeacherChoice& choice, ThreadPool& pool);
  OpenTeacher(const std::string& model, ThreadPool& pool)
      : OpenTeacher(TeacherChoice{model, {}, {}}, pool) {}
  ~OpenTeacher();
  Teacher& teacher() noexcept;
  PromptStyle style() const noexcept { return style_; }
  const EndpointBudget& budget() const noexcept { return budget_; }
  bool endpoint() const noexcept { return endpoint_; }
  const Tokenizer* tokenizer() const noexcept;  // its own; null: not known

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  EndpointBudget budget_;
  bool endpoint_ = false;
  PromptStyle style_ = PromptStyle::full;
};

// What labelling will take. The more answers of this kind the store holds, the nearer.
struct LabelEstimate {
  std::int64_t items = 0, from_store = 0, requests = 0;
  double prompt_tokens = 0, answer_tokens = 0;  // of the items to ask
  double cost = 0;
  std::optional<double> seconds;  // known once this teacher has answered into this store
  std::string basis;              // what the tokens are counted by
};
Json to_json(const LabelEstimate& estimate);
std::string text_of(const LabelEstimate& estimate);  // one line

// Asks nothing. `store` may be null. `tokenizer`: the teacher's, or null. `identity`: the
// teacher's; empty where it is not known, then nothing is looked up.
LabelEstimate estimate_labels(const std::string& identity, const Tokenizer* tokenizer,
                              const EndpointBudget& budget, const Task& task,
                              std::span<const Example> examples, const LabelRequest& request,
                              AnswerStore* store);

struct LabelJob {
  std::string title = "label";       // of the progress line
  std::optional<PromptStyle> style;  // absent: the teacher's own
  std::filesystem::path store;       // empty: nothing is kept
  bool smoke = true;        // endpoints: 16 items first, of which 15 must be of the task's form
  bool smoke_only = false;  // stop after these, which any teacher then does
};

struct LabelOutcome {
  std::vector<TeacherAnswer> answers;  // one for each example; unasked ones (smoke_only) are empty
  LabelReport report;
  std::optional<LabelEstimate> estimate;  // made after the smoke
  Json summary;                           // to_json(report) and the store's size
};

// `label` with a progress line and, for endpoints, a smoke first: 16 items spread over the
// examples. Then the estimate is told. Throws as label; Error{quality} when the smoke fails.
LabelOutcome label_examples(OpenTeacher& teacher, const Task& task,
                            std::span<const Example> examples, const LabelRequest& request,
                            const LabelJob& job);

}  // namespace limbeck

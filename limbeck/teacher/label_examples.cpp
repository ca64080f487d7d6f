// Teachers by name.
#include <fmt/format.h>

#include "limbeck/base/progress.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/teacher/endpoint.h"
#include "limbeck/teacher/label.h"

namespace limbeck {

struct OpenTeacher::Parts {
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Model> model;
  std::unique_ptr<Teacher> teacher;
};

bool is_endpoint(std::string_view model) noexcept {
  return model.starts_with("http://") || model.starts_with("https://");
}

OpenTeacher::OpenTeacher(const std::string& model, ThreadPool& pool)
    : parts_(std::make_unique<Parts>()) {
  if (is_endpoint(model)) {
    parts_->teacher = endpoint_teacher(endpoint_options(model));
    return;
  }
  parts_->checkpoint = std::make_unique<Checkpoint>(Checkpoint::open(model));
  parts_->model = std::make_unique<Model>(*parts_->checkpoint);
  parts_->teacher = local_teacher(*parts_->model, pool);
  style_ = prompt_style_of(parts_->checkpoint->manifest());
}

OpenTeacher::~OpenTeacher() = default;
Teacher& OpenTeacher::teacher() noexcept { return *parts_->teacher; }

LabelOutcome label_examples(const std::string& teacher, const Task& task,
                            std::span<const Example> examples, std::optional<PromptStyle> style,
                            const LabelRequest& request, const std::filesystem::path& store,
                            ThreadPool& pool) {
  OpenTeacher open(teacher, pool);
  LabelRequest asked = request;
  asked.style = style.value_or(open.style());
  std::optional<AnswerStore> kept;
  if (!store.empty()) kept.emplace(store);
  LabelOutcome outcome;
  Progress progress(fmt::format("label {}", task.name), examples.size(), "items");
  outcome.answers = label(open.teacher(), task, examples, asked, kept ? &*kept : nullptr,
                          &outcome.report, [&](std::size_t done) { progress.update(done); });
  progress.finish();
  outcome.summary = to_json(outcome.report);
  outcome.summary["teacher"] = open.teacher().identity();
  outcome.summary["prompt"] = name(asked.style);
  outcome.summary["signal"] = name(asked.signal);
  if (kept) {
    outcome.summary["store"] = {{"answers", kept->size()},
                                {"answer_tokens", kept->answer_tokens()},
                                {"bytes", kept->file_bytes()}};
  }
  return outcome;
}

}  // namespace limbeck

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
#include "limbeck/teacher/teacher.h"

namespace limbeck {

// "http://host:port/v1#model-name" (or https): an OpenAI-compatible endpoint, anything else a path.
bool is_endpoint(std::string_view model) noexcept;

// A teacher with all it needs: the opened checkpoint and model, or the connection. `style`: the
// prompt it expects, from its manifest; full for endpoints.
class OpenTeacher {
 public:
  // Throws as Checkpoint::open and endpoint_teacher.
  OpenTeacher(const std::string& model, ThreadPool& pool);
  ~OpenTeacher();
  Teacher& teacher() noexcept;
  PromptStyle style() const noexcept { return style_; }

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  PromptStyle style_ = PromptStyle::full;
};

struct LabelOutcome {
  std::vector<TeacherAnswer> answers;  // one for each example
  LabelReport report;
  Json summary;  // to_json(report) and the store's size
};

// `label` with the teacher opened by name, its own prompt style unless `style` says otherwise, the
// store at `store` (empty: none) and a progress line. Throws as OpenTeacher and label.
LabelOutcome label_examples(const std::string& teacher, const Task& task,
                            std::span<const Example> examples, std::optional<PromptStyle> style,
                            const LabelRequest& request, const std::filesystem::path& store,
                            ThreadPool& pool);

}  // namespace limbeck

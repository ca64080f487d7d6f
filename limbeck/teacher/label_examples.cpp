// Teachers by name, and the smoke before the bill.
#include <fmt/format.h>

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/teacher/label.h"

namespace limbeck {
namespace {

constexpr std::size_t kSmoke = 16, kSmokeNeeded = 15;

std::vector<Example> chosen(std::span<const Example> examples,
                            std::span<const std::size_t> places) {
  std::vector<Example> out;
  for (const std::size_t place : places) out.push_back(examples[place]);
  return out;
}

void add(LabelReport& total, const LabelReport& part) {
  total.items += part.items;
  total.from_store += part.from_store;
  total.asked += part.asked;
  total.empty += part.empty;
  total.requests += part.requests;
  total.cost += part.cost;
  total.prompt_tokens += part.prompt_tokens;
  total.answer_tokens += part.answer_tokens;
  total.soft_bytes += part.soft_bytes;
  total.soft_positions += part.soft_positions;
  total.seconds += part.seconds;
}

void check_smoke(const Task& task, std::span<const TeacherAnswer> answers) {
  std::size_t valid = 0;
  std::string why;
  for (const TeacherAnswer& answer : answers) {
    const ParsedAnswer parsed = parse_answer(task, answer.text);
    valid += parsed.valid;
    if (!parsed.valid) why = answer.text.empty() ? "an empty answer" : parsed.why;
  }
  if (valid * kSmoke >= kSmokeNeeded * answers.size()) return;
  fail_try(ErrorKind::quality,
           "look at the answers (limbeck label --smoke --rows FILE), and tell the teacher more in "
           "the task's instruction",
           "{}: only {} of the first {} answers are of the task's form; the last fault: {}",
           task.name, valid, answers.size(), why);
}

// Labels some of the examples into `outcome`.
class Labelling {
 public:
  Labelling(OpenTeacher& teacher, const Task& task, std::span<const Example> examples,
            const LabelRequest& request, const LabelJob& job, AnswerStore* store)
      : teacher_(teacher),
        task_(task),
        examples_(examples),
        request_(request),
        store_(store),
        progress_(fmt::format("{} {}", job.title, task.name), examples.size(), "items") {
    outcome.answers.resize(examples.size());
  }

  void ask(std::span<const std::size_t> places) {
    LabelReport part;
    auto answers = label(teacher_.teacher(), task_, chosen(examples_, places), request_, store_,
                         &part, [&](std::size_t done) { progress_.update(before_ + done); });
    for (std::size_t i = 0; i < places.size(); ++i) {
      outcome.answers[places[i]] = std::move(answers[i]);
    }
    before_ += places.size();
    add(outcome.report, part);
  }
  void finish() { progress_.finish(); }

  LabelOutcome outcome;

 private:
  OpenTeacher& teacher_;
  const Task& task_;
  std::span<const Example> examples_;
  const LabelRequest& request_;
  AnswerStore* store_;
  Progress progress_;
  std::size_t before_ = 0;
};

}  // namespace

struct OpenTeacher::Parts {
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Model> model;
  std::optional<Tokenizer> vocabulary;
  std::unique_ptr<Teacher> teacher;
};

bool is_endpoint(std::string_view model) noexcept {
  return model.starts_with("http://") || model.starts_with("https://");
}

OpenTeacher::OpenTeacher(const TeacherChoice& choice, ThreadPool& pool)
    : parts_(std::make_unique<Parts>()),
      budget_(choice.budget),
      endpoint_(is_endpoint(choice.model)) {
  if (endpoint_) {
    EndpointOptions options = endpoint_options(choice.model, choice.budget);
    if (!choice.vocabulary.empty()) {
      parts_->vocabulary = Tokenizer::open(choice.vocabulary);
      options.tokenizer = &*parts_->vocabulary;
    }
    parts_->teacher = endpoint_teacher(std::move(options));
    return;
  }
  parts_->checkpoint = std::make_unique<Checkpoint>(Checkpoint::open(choice.model));
  parts_->model = std::make_unique<Model>(*parts_->checkpoint);
  parts_->teacher = local_teacher(*parts_->model, pool);
  style_ = prompt_style_of(parts_->checkpoint->manifest());
}

OpenTeacher::~OpenTeacher() = default;
Teacher& OpenTeacher::teacher() noexcept { return *parts_->teacher; }

const Tokenizer* OpenTeacher::tokenizer() const noexcept {
  if (parts_->vocabulary) return &*parts_->vocabulary;
  return parts_->checkpoint ? &parts_->checkpoint->tokenizer() : nullptr;
}

LabelOutcome label_examples(OpenTeacher& open, const Task& task, std::span<const Example> examples,
                            const LabelRequest& request, const LabelJob& job) {
  LabelRequest asked = request;
  asked.style = job.style.value_or(open.style());
  std::optional<AnswerStore> kept;
  if (!job.store.empty()) kept.emplace(job.store);
  AnswerStore* store = kept ? &*kept : nullptr;
  Labelling labelling(open, task, examples, asked, job, store);
  LabelOutcome& outcome = labelling.outcome;

  std::vector<std::size_t> first, rest;
  const bool smoke = job.smoke_only || (job.smoke && open.endpoint() && examples.size() > kSmoke);
  const std::size_t n_first = smoke ? std::min(kSmoke, examples.size()) : 0;
  for (std::size_t i = 0; i < n_first; ++i) first.push_back(i * examples.size() / n_first);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (!std::ranges::binary_search(first, i)) rest.push_back(i);
  }
  if (smoke) {
    labelling.ask(first);
    std::vector<TeacherAnswer> answers;
    for (const std::size_t place : first) answers.push_back(outcome.answers[place]);
    check_smoke(task, answers);
    outcome.estimate = estimate_labels(open.teacher().identity(), open.tokenizer(), open.budget(),
                                       task, examples, asked, store);
    say(fmt::format("{}: {}", job.title, text_of(*outcome.estimate)));
  }
  if (!job.smoke_only) labelling.ask(rest);
  labelling.finish();
  outcome.summary = to_json(outcome.report);
  outcome.summary["teacher"] = open.teacher().identity();
  outcome.summary["prompt"] = name(asked.style);
  outcome.summary["signal"] = name(asked.signal);
  if (outcome.estimate) outcome.summary["estimate"] = to_json(*outcome.estimate);
  if (kept) {
    outcome.summary["store"] = {{"answers", kept->size()},
                                {"answer_tokens", kept->answer_tokens()},
                                {"bytes", kept->file_bytes()}};
  }
  return std::move(labelling.outcome);
}

}  // namespace limbeck

#include "limbeck/teacher/synthesize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/task/near_duplicates.h"
#include "limbeck/task/words.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/teacher/synthesis_prompts.h"

namespace limbeck {
namespace {

constexpr std::size_t kCallsARound = 16;
constexpr double kFarFromTest = 0.5;  // similarity from which a kept row is told in the report

// Seeds spread over the training rows that have an output.
std::vector<Example> seeds_of(const Task& task, std::int64_t most) {
  std::vector<const Example*> known;
  for (const Example& example : task.train) {
    if (example.output) known.push_back(&example);
  }
  if (known.empty()) {
    fail_try(ErrorKind::usage, "give 20 to 50 rows with outputs in its training data",
             "{}: there is no row to begin with", task.name);
  }
  const auto n = std::min(known.size(), static_cast<std::size_t>(most));
  std::vector<Example> seeds;
  for (std::size_t i = 0; i < n; ++i) seeds.push_back(*known[i * known.size() / n]);
  return seeds;
}

// What the teacher is asked is a free text, whatever the task.
Task asking_task(const Task& task) {
  Task asking;
  asking.name = task.name + " inputs";
  asking.kind = TaskKind::generation;
  return asking;
}

struct Vote {
  Json value;
  double share = 0;
  std::string why;  // of the last invalid answer
};

// The answer most votes agree on, among all that were asked.
Vote count_votes(const Task& task, std::span<const std::string> answers) {
  std::map<std::string, int> counts;
  std::map<std::string, Json> values;
  Vote vote;
  for (const std::string& answer : answers) {
    const ParsedAnswer parsed = parse_answer(task, answer);
    if (!parsed.valid) {
      vote.why = answer.empty() ? "an empty answer" : parsed.why;
      continue;
    }
    const std::string key = to_text(parsed.value);
    ++counts[key];
    values[key] = parsed.value;
  }
  int most = 0;
  for (const auto& [key, n] : counts) {
    if (n <= most) continue;
    most = n;
    vote.value = values[key];
  }
  vote.share = static_cast<double>(most) / static_cast<double>(answers.size());
  return vote;
}

class Synthesis {
 public:
  Synthesis(std::span<OpenTeacher* const> teachers, const Task& task,
            const SynthesisOptions& options)
      : teachers_(teachers),
        task_(task),
        options_(options),
        seeds_(seeds_of(task, options.seeds)),
        asking_(asking_task(task)),
        kept_(options.duplicate),
        test_(options.duplicate),
        near_test_(std::min(kFarFromTest, options.duplicate)),
        random_(options.seed, 0x73796e74) {
    if (!options.store.empty()) store_.emplace(options.store);
    for (const Example& example : task.train) kept_.add(input_text(example.input));
    for (const Example& example : task.test) {
      test_.add(input_text(example.input));
      near_test_.add(input_text(example.input));
    }
    for (const Example& seed : seeds_) longest_ = std::max(longest_, input_text(seed.input).size());
  }

  Synthesized run() {
    Progress progress(fmt::format("synthesize {}", task_.name),
                      static_cast<std::uint64_t>(options_.count), "rows");
    const double least_calls = std::ceil(static_cast<double>(options_.count) / kInputsACall);
    const auto most_calls = static_cast<std::size_t>(
        std::max(options_.give_up * least_calls, static_cast<double>(kCallsARound)));
    while (wanted() > 0 && calls_ < most_calls) {
      round(std::min(kCallsARound, most_calls - calls_));
      progress.update(result_.rows.size());
      stop_if_interrupted("run the same command again: the answers so far are in the store");
    }
    progress.finish();
    if (static_cast<std::int64_t>(result_.rows.size()) * 20 < options_.count) {
      fail_try(ErrorKind::quality, "see what it wrote in the rejects; a larger teacher may do",
               "{}: only {} of {} rows could be kept after {} calls; most often: {}", task_.name,
               result_.rows.size(), options_.count, calls_, commonest_reason());
    }
    report();
    return std::move(result_);
  }

 private:
  std::int64_t wanted() const {
    return options_.count - static_cast<std::int64_t>(result_.rows.size());
  }

  LabelRequest request(double temperature, std::uint64_t seed, PromptStyle style) const {
    LabelRequest asked;
    asked.temperature = temperature;
    asked.seed = seed;
    asked.style = style;
    asked.max_tokens = options_.max_tokens;
    return asked;
  }

  std::vector<std::string> ask(OpenTeacher& teacher, const Task& task,
                               std::span<const Example> examples, const LabelRequest& asked) {
    LabelReport report;
    std::vector<std::string> texts;
    for (TeacherAnswer& answer :
         label(teacher.teacher(), task, examples, asked, store_ ? &*store_ : nullptr, &report)) {
      texts.push_back(std::move(answer.text));
    }
    tokens_ += report.prompt_tokens + report.answer_tokens;
    requests_ += report.requests;
    cost_ += report.cost;
    return texts;
  }

  // The label that lacks rows the most; ties by chance.
  std::string label_wanted() {
    if (task_.kind != TaskKind::classification) return {};
    std::vector<std::string> fewest;
    std::int64_t least = -1;
    for (const std::string& label : task_.labels) {
      const std::int64_t n = labels_[label] + planned_[label];
      if (least >= 0 && n > least) continue;
      if (n < least || least < 0) fewest.clear();
      least = n;
      fewest.push_back(label);
    }
    const std::string chosen = fewest[random_.below(fewest.size())];
    planned_[chosen] += kInputsACall;
    return chosen;
  }

  void round(std::size_t calls) {
    planned_.clear();
    std::vector<Example> prompts;
    for (std::size_t i = 0; i < calls; ++i) {
      prompts.push_back({synthesis_prompt(task_, seeds_, label_wanted(), options_.topics, random_),
                         std::nullopt, ""});
    }
    calls_ += calls;
    std::vector<Example> candidates;
    for (const std::string& text :
         ask(*teachers_[0], asking_, prompts,
             request(options_.temperature, options_.seed + calls_, PromptStyle::bare))) {
      for (std::string& input : inputs_in(text)) {
        if (is_new(input)) candidates.push_back({std::move(input), std::nullopt, ""});
      }
    }
    judge(candidates);
  }

  void reject(const Json& input, const Json& output, const char* reason, std::string detail) {
    ++rejected_[reason];
    result_.rejects.push_back(
        {{"input", input}, {"output", output}, {"reason", reason}, {"detail", std::move(detail)}});
  }

  bool is_new(const std::string& input) {
    ++asked_;
    if (trimmed(input).empty()) return reject(input, nullptr, "empty", ""), false;
    if (input.size() > 4 * longest_) {
      return reject(input, nullptr, "too long", fmt::format("{} bytes", input.size())), false;
    }
    if (const auto match = test_.find(input)) {
      const Json& twin = task_.test[match->index].input;
      return reject(input, nullptr, "near a test input",
                    fmt::format("{:.2f}: {}", match->similarity, input_text(twin))),
             false;
    }
    if (const auto match = kept_.find(input)) {
      return reject(input, nullptr, "near another", fmt::format("{:.2f}", match->similarity)),
             false;
    }
    kept_.add(input);
    return true;
  }

  void judge(std::span<const Example> candidates) {
    if (candidates.empty()) return;
    std::vector<std::vector<std::string>> answers(candidates.size());
    const bool committee = teachers_.size() > 1;
    const std::size_t votes =
        committee ? teachers_.size() : static_cast<std::size_t>(options_.votes);
    for (std::size_t v = 0; v < votes; ++v) {
      OpenTeacher& teacher = *teachers_[committee ? v : 0];
      const bool sampled = !committee && votes > 1;
      const auto texts =
          ask(teacher, task_, candidates,
              request(sampled ? options_.temperature : 0, options_.seed + v, teacher.style()));
      for (std::size_t i = 0; i < texts.size(); ++i) answers[i].push_back(texts[i]);
    }
    for (std::size_t i = 0; i < candidates.size() && wanted() > 0; ++i) {
      keep(candidates[i].input, count_votes(task_, answers[i]));
    }
  }

  void keep(const Json& input, Vote vote) {
    if (vote.share == 0) return reject(input, nullptr, "invalid answer", vote.why);
    if (vote.share < options_.agreement) {
      return reject(input, vote.value, "no agreement",
                    fmt::format("{:.0f} % of the votes", 100 * vote.share));
    }
    if (task_.kind == TaskKind::classification) {
      std::int64_t& n = labels_[vote.value.get<std::string>()];
      const double most = options_.balance * static_cast<double>(options_.count) /
                          static_cast<double>(task_.labels.size());
      if (static_cast<double>(n) >= std::max(1.0, most)) {
        return reject(input, vote.value, "label has enough", "");
      }
      ++n;
    }
    result_.rows.push_back({{"input", input}, {"output", std::move(vote.value)}});
  }

  std::string commonest_reason() const {
    const auto most =
        std::ranges::max_element(rejected_, {}, [](const auto& reason) { return reason.second; });
    return most == rejected_.end() ? "it wrote nothing" : most->first;
  }

  void report() {
    std::int64_t resembling = 0;
    double nearest = 0;
    for (const Json& row : result_.rows) {
      const auto match = near_test_.find(input_text(row["input"]));
      resembling += match.has_value();
      if (match) nearest = std::max(nearest, match->similarity);
    }
    const auto too_near = rejected_.find("near a test input");
    result_.report = {{"seeds", seeds_.size()},
                      {"calls", calls_},
                      {"asked", asked_},
                      {"accepted", result_.rows.size()},
                      {"rejected", rejected_},
                      {"leakage",
                       {{"threshold", options_.duplicate},
                        {"rejected_near_test", too_near == rejected_.end() ? 0 : too_near->second},
                        {"kept_above_half_similar", resembling},
                        {"nearest_kept", nearest},
                        {"training_rows_in_test", leaked(task_).size()}}},
                      {"usage", {{"tokens", tokens_}, {"requests", requests_}, {"cost", cost_}}}};
    if (task_.kind == TaskKind::classification) result_.report["labels"] = labels_;
  }

  std::span<OpenTeacher* const> teachers_;
  const Task& task_;
  const SynthesisOptions& options_;
  std::vector<Example> seeds_;
  Task asking_;
  NearDuplicates kept_, test_, near_test_;
  Random random_;
  std::optional<AnswerStore> store_;
  std::size_t longest_ = 1, calls_ = 0;
  std::int64_t asked_ = 0, tokens_ = 0, requests_ = 0;
  double cost_ = 0;
  std::map<std::string, std::int64_t> labels_, planned_, rejected_;
  Synthesized result_;
};

}  // namespace

Synthesized synthesize(std::span<OpenTeacher* const> teachers, const Task& task,
                       const SynthesisOptions& options) {
  if (teachers.empty() || options.count < 1 || options.votes < 1) {
    fail(ErrorKind::usage, "synthesizing needs a teacher, a row to make and a vote");
  }
  return Synthesis(teachers, task, options).run();
}

}  // namespace limbeck

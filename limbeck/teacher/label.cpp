// Labelling: the store first, then the teacher; every answer is kept before it counts.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/teacher/teacher.h"

namespace limbeck {
namespace {

constexpr std::string_view kSignals[] = {"text", "top_k", "sampled"};

void count(LabelReport& report, const TeacherAnswer& answer) {
  report.empty += answer.text.empty();
  report.soft_bytes += pack_soft_labels(answer.soft).size();
  report.soft_positions += static_cast<std::int64_t>(answer.soft.size());
}

}  // namespace

std::string_view name(Signal signal) noexcept { return kSignals[static_cast<std::size_t>(signal)]; }

Signal signal_of(std::string_view name) {
  const std::vector<std::string> known(std::begin(kSignals), std::end(kSignals));
  const auto found = std::find(known.begin(), known.end(), name);
  if (found != known.end()) return static_cast<Signal>(found - known.begin());
  const std::string near = nearest(name, known);
  fail(ErrorKind::usage, "signal '{}' is not one of {}{}", name, fmt::join(known, ", "),
       near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

Json to_json(const LabelReport& report) {
  Json json = {{"items", report.items},
               {"from_store", report.from_store},
               {"asked", report.asked},
               {"empty", report.empty},
               {"prompt_tokens", report.prompt_tokens},
               {"answer_tokens", report.answer_tokens},
               {"seconds", report.seconds}};
  if (report.requests > 0) json.update({{"requests", report.requests}, {"cost", report.cost}});
  if (report.soft_positions > 0) {
    json["soft_bytes"] = report.soft_bytes;
    json["soft_bytes_per_token"] =
        static_cast<double>(report.soft_bytes) / static_cast<double>(report.soft_positions);
  }
  return json;
}

std::vector<TeacherAnswer> label(Teacher& teacher, const Task& task,
                                 std::span<const Example> examples, const LabelRequest& request,
                                 AnswerStore* store, LabelReport* report,
                                 const std::function<void(std::size_t done)>& on_done) {
  if (request.k < 1 || request.k > 4096) {
    fail(ErrorKind::usage, "soft labels need k in [1, 4096], not {}", request.k);
  }
  const auto start = std::chrono::steady_clock::now();
  LabelReport local;
  LabelReport& counts = report != nullptr ? *report : local;
  counts = {};
  counts.items = static_cast<std::int64_t>(examples.size());

  std::vector<TeacherAnswer> answers(examples.size());
  std::vector<Example> missing;
  std::vector<std::string> keys;                          // of `missing`
  std::vector<std::vector<std::size_t>> places;           // of `missing` in `examples`
  std::map<std::string, std::size_t, std::less<>> asked;  // key -> index in `missing`
  std::size_t done = 0;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const Json messages = prompt_messages(task, examples[i].input, request.style);
    std::string key = answer_key(teacher.identity(), task, messages, request);
    if (const auto twin = asked.find(key); twin != asked.end()) {
      places[twin->second].push_back(i);
      continue;
    }
    if (auto found = store != nullptr ? store->find(key) : std::nullopt) {
      answers[i] = std::move(*found);
      ++counts.from_store;
      ++done;
      continue;
    }
    asked.emplace(key, missing.size());
    missing.push_back(examples[i]);
    keys.push_back(std::move(key));
    places.push_back({i});
  }
  if (on_done) on_done(done);
  const TeacherUsage before = teacher.usage();

  teacher.answer(task, missing, request, [&](std::size_t index, TeacherAnswer answer) {
    if (store != nullptr) store->put(keys[index], answer);
    answer.soft = unpack_soft_labels(pack_soft_labels(answer.soft));  // as a resumed run reads it
    ++counts.asked;
    counts.prompt_tokens += answer.prompt_tokens;
    counts.answer_tokens += answer.answer_tokens;
    for (const std::size_t place : places[index]) answers[place] = answer;
    done += places[index].size();
    if (on_done) on_done(done);
    stop_if_interrupted("run the same command again: the answers so far are in the store");
  });
  for (const TeacherAnswer& answer : answers) count(counts, answer);
  counts.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const TeacherUsage after = teacher.usage();
  counts.requests = after.requests - before.requests;
  counts.cost = after.cost - before.cost;
  if (store != nullptr && counts.asked > 0) {
    store->record_run(teacher.identity(), counts.prompt_tokens + counts.answer_tokens,
                      counts.seconds);
  }
  return answers;
}

}  // namespace limbeck

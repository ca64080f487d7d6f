// A teacher answers the items of a task with text and, where it can, with its next-token
// distribution; labelling keeps every answer in a store, so none is paid for twice.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/thread_pool.h"
#include "limbeck/runtime/generate.h"
#include "limbeck/task/task.h"

namespace limbeck {

// The distribution at one answer position: top-k log-probabilities (falling), or RS-KD samples
// (ids rising, with counts; Sparse Logit Sampling, arXiv 2503.16870). Without ids: nothing is known
// there but the token itself.
struct SoftLabel {
  std::vector<TokenId> ids;
  std::vector<float> values;  // log-probabilities at temperature 1 (rounded as stored), or counts
};

struct TeacherAnswer {
  std::string text;
  // In the teacher's vocabulary, without the stop token: as generated, or as the text is encoded
  // where soft labels were asked for; empty if unknown.
  std::vector<TokenId> ids;
  std::vector<SoftLabel> soft;  // one for each id and one more for the stop token; empty: text only
  std::int64_t prompt_tokens = 0, answer_tokens = 0;
  double logprob = 0;  // of the answer, nats; 0 when unknown
};

enum class Signal : std::uint8_t { text, top_k, sampled };
std::string_view name(Signal signal) noexcept;
Signal signal_of(std::string_view name);  // throws Error{usage}

struct LabelRequest {
  Signal signal = Signal::text;
  int k = 64;              // top_k: entries; sampled: draws a position; in [1, 4096]
  double temperature = 0;  // of the answer's sampling; 0 greedy
  std::int64_t max_tokens = 256;
  std::uint64_t seed = 0;
  PromptStyle style = PromptStyle::full;
  bool constrained = true;  // decode only answers of the task's form, where the teacher can
};

// What a teacher has taken so far, over all calls.
struct TeacherUsage {
  std::int64_t requests = 0, answered = 0;  // requests: tries that were sent; 0 for a local model
  std::int64_t prompt_tokens = 0, answer_tokens = 0;
  double cost = 0;  // in the unit of the prices given; 0 where there are none
};

class Teacher {
 public:
  virtual ~Teacher() = default;

  // What its answers depend on besides the request: a hash of the weights and the vocabulary, or
  // the endpoint's model. Part of every key in the store.
  virtual const std::string& identity() const = 0;

  // Answers each example; `deliver` is called on this thread, once for each, in any order. An item
  // that cannot be answered (a prompt longer than the context, a refusal) is delivered with an
  // empty text. Throws Error{network} when the endpoint is given up; what was delivered stays
  // valid.
  using Deliver = std::function<void(std::size_t index, TeacherAnswer answer)>;
  virtual void answer(const Task& task, std::span<const Example> examples,
                      const LabelRequest& request, const Deliver& deliver) = 0;

  virtual TeacherUsage usage() { return {}; }
};

// The model and the pool must outlive the teacher.
std::unique_ptr<Teacher> local_teacher(const Model& model, ThreadPool& pool);

// SHA-256 over the weights' bytes and the tokenizer's hash.
std::string model_hash(const Checkpoint& checkpoint);

class AnswerStore;
struct LabelReport {
  std::int64_t items = 0, from_store = 0, asked = 0, empty = 0;
  std::int64_t prompt_tokens = 0, answer_tokens = 0;  // of the items asked
  std::uint64_t soft_bytes = 0;                       // of all items, as stored
  std::int64_t soft_positions = 0;
  std::int64_t requests = 0;  // that an endpoint was sent, tries counted
  double cost = 0;            // of them, in the unit of the prices given
  double seconds = 0;
};
Json to_json(const LabelReport& report);

// The answer to each example, from the store where it has it; the rest is asked, each committed to
// the store before it counts as done (`on_done`). Equal prompts are asked once. `store` nullptr:
// nothing is kept. Throws as Teacher::answer, Error{interrupted} after a signal; call again to go
// on.
std::vector<TeacherAnswer> label(Teacher& teacher, const Task& task,
                                 std::span<const Example> examples, const LabelRequest& request,
                                 AnswerStore* store, LabelReport* report = nullptr,
                                 const std::function<void(std::size_t done)>& on_done = {});

}  // namespace limbeck

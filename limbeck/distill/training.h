// One training run: steps, evaluations, checkpoints. What every way of training shares.
#pragma once

#include <memory>
#include <span>

#include "limbeck/distill/cross_tokenizer.h"
#include "limbeck/distill/metrics_log.h"
#include "limbeck/distill/on_policy.h"
#include "limbeck/distill/optimizer.h"
#include "limbeck/distill/ranks.h"
#include "limbeck/distill/soft_teacher.h"
#include "limbeck/distill/student.h"
#include "limbeck/distill/target_batch.h"
#include "limbeck/distill/train_state.h"
#include "limbeck/distill/weight_grid.h"

namespace limbeck::distill {

// Threads and allocator settings for the whole process, and the device that `options` means.
// Throws Error{unsupported} if it is cuda and this libtorch has none.
at::Device prepare_torch(const TrainOptions& options);
bool fast_bf16(at::Device device);  // does it multiply bfloat16 faster than fp32?
void set_threads(int threads);

// What a run works on; all of it outlives the run.
struct TrainingInputs {
  Student student;
  const SoftTeacher* teacher;  // null: soft labels of the rows, or none
  const FeatureMatch* match;   // null: nothing inside is matched; else teacher is set
  const CrossTeacher* across;  // null, or the teacher of loss uld
  bool label_rows;             // does `teacher` label the rows, or the on-policy phase alone?
  const Rollout* rollout;      // of the on-policy phase; null: there is none
  const Tokenizer& tokenizer;
  std::span<const TrainRow> rows;
  const TrainOptions& options;
  const DevMetric& dev;
  std::filesystem::path output;
};

class Training {
 public:
  explicit Training(TrainingInputs inputs);

  // Resumes if it can, trains, and writes the model. Throws as train. Of several ranks the first
  // alone reads and writes files, evaluates, samples and speaks.
  TrainResult run(Json manifest);

 private:
  void train_steps();
  void resume();
  // Gradients of one step, and its sums in last_. `step` gets what it really trained on.
  void one_step(StepPlan& step);
  // own: the rows are the student's answers, not the training rows.
  void micro_batches(std::span<const TrainRow> rows, const std::vector<MicroBatch>& micros,
                     const LossSpec& loss, bool own, std::int64_t targets);
  at::Tensor micro_loss(std::span<const TrainRow> rows, const MicroBatch& micro, bool own,
                        const HeadOptions& head, LossSums& sums);
  void roll_out();
  void update(StepPlan step);  // one step and what follows from it
  // Where the phase on the grid begins: models until then are no candidates, and the one that it
  // begins with, rounded, is the first.
  void begin_rounding();
  void round_from_now_on();
  void average();
  void evaluate();  // and keeps the best
  void save();
  void write_metrics(const StepPlan& step, double rate, double norm, double step_s);
  std::filesystem::path temporary_model(std::string_view purpose) const;  // beside the output
  // `flat`: of what is trained.
  void write_model(const std::filesystem::path& folder, const at::Tensor& flat, TensorType type,
                   const Json& manifest) const;
  // Throws Error{numeric} after writing the model of the last checkpoint beside it.
  [[noreturn]] void diverged(const std::string& what);
  TrainResult result(Json manifest);

  // Between ranks (training_ranks.cpp); one alone has nothing to share.
  bool leads() const { return !in_.options.ranks || in_.options.ranks->first(); }
  void share_weights();
  void share_start();  // all stand where rank 0 does, with the same files
  void sum_step();     // losses and gradients; throws if any rank's loss is not finite
  void share_answers(std::vector<std::vector<TokenId>>& answers);
  // What comes after a step, for whichever rank it comes up.
  struct Pause {
    bool evaluate = false, save = false, stop = false;
    bool any() const { return evaluate || save || stop; }
  };
  Pause agree(Pause own);
  // The others wait for what rank 0 does in a pause, and get its verdict.
  void end_pause(bool& stop);

  bool selects() const { return in_.dev || !in_.options.dev_rows.empty(); }
  bool evaluates_after(std::int64_t step) const;
  // What is evaluated and written: the moving average where there is one.
  const at::Tensor& current() const;
  double dev_loss();  // of `current`, rounded where it will be
  TensorType saved_type() const;

  TrainingInputs in_;
  Parameters& trained_;
  TorchDecoder decoder_;
  AdamW optimizer_;
  std::vector<StepPlan> plan_;
  std::optional<OnPolicy> on_policy_;
  std::optional<WeightGrid> grid_;
  std::int64_t grid_from_ = 0;  // the step before which the phase on the grid begins
  TrainState state_;
  LossSums last_;        // of the step just done
  std::string trouble_;  // why its loss is not finite here
  bool resumed_ = false;
  MetricsLog metrics_;
};

}  // namespace limbeck::distill

// One training run: steps, evaluations, checkpoints. What `train` and `train_from_teacher` share.
#pragma once

#include <fstream>
#include <memory>
#include <span>

#include "limbeck/distill/optimizer.h"
#include "limbeck/distill/soft_teacher.h"
#include "limbeck/distill/target_batch.h"
#include "limbeck/distill/train_state.h"

namespace limbeck::distill {

// Threads and allocator settings for the whole process, and the device that `options` means.
// Throws Error{unsupported} if it is cuda and this libtorch has none.
at::Device prepare_torch(const TrainOptions& options);
void set_threads(int threads);

// The weights that training starts from.
std::shared_ptr<Parameters> starting_weights(const Start& start, const Tokenizer& tokenizer,
                                             const TrainOptions& options, at::Device device);

class Training {
 public:
  Training(std::shared_ptr<Parameters> parameters, const SoftTeacher* teacher,
           const Tokenizer& tokenizer, std::span<const TrainRow> rows, const TrainOptions& options,
           const DevMetric& dev, std::filesystem::path output);

  // Resumes if it can, trains, and writes the model. Throws as train.
  TrainResult run(Json manifest);

 private:
  void resume();
  double one_step(const StepPlan& step);  // the mean loss
  void evaluate();                        // and keeps the best
  void save();
  void write_metrics(const StepPlan& step, double rate, double norm, double step_s);
  void write_model(const std::filesystem::path& folder, const at::Tensor& flat, TensorType type,
                   const Json& manifest) const;
  bool selects() const { return dev_ || !options_.dev_rows.empty(); }
  bool evaluates_after(std::int64_t step) const;

  std::shared_ptr<Parameters> parameters_;
  TorchDecoder decoder_;
  AdamW optimizer_;
  const SoftTeacher* teacher_;  // null: soft labels of the rows, or none
  const Tokenizer& tokenizer_;
  std::span<const TrainRow> rows_;
  const TrainOptions& options_;
  const DevMetric& dev_;
  std::filesystem::path output_;
  std::vector<StepPlan> plan_;
  TrainState state_;
  LossSums last_;  // of the step just done
  bool resumed_ = false;
  std::ofstream metrics_;
};

}  // namespace limbeck::distill

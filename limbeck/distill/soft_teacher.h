// A local teacher's whole distribution at every target, without ever storing it: what is kept are
// the teacher's final hidden states; its output layer is applied chunk by chunk beside the
// student's.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "limbeck/distill/match.h"

namespace limbeck::distill {

class SoftTeacher {
 public:
  // Throws as Checkpoint::open; Error{usage} if its vocabulary is not `tokenizer`'s.
  SoftTeacher(const std::filesystem::path& model, const Tokenizer& tokenizer, bool bf16,
              at::Device device);

  // Runs the teacher once over all rows, in one fixed order, if the hidden states fit in `bytes`;
  // otherwise each batch runs it anew. Either way a resumed run sees the same numbers. Ranks run
  // it on some of the rows each and tell each other.
  void prepare(std::span<const TrainRow> rows, const TrainOptions& options, std::uint64_t bytes);

  // Sets the dense targets of `batch`, made of these of `rows`; with `match` also what it reads of
  // the teacher's layers. prepared: they are the rows that `prepare` saw.
  void label(std::span<const TrainRow> rows, const MicroBatch& micro, bool prepared,
             TargetBatch& batch, const FeatureMatch* match = nullptr,
             LayerOutputs* outputs = nullptr) const;

  const Architecture& architecture() const { return decoder_.architecture(); }
  const at::Tensor& weights() const { return decoder_.parameters().value; }

 private:
  at::Tensor run(std::span<const TrainRow> rows, const MicroBatch& micro) const;

  mutable TorchDecoder decoder_;  // its callbacks are set while a batch runs
  std::vector<at::Tensor> kept_;  // of each row [targets, hidden]; empty: not kept
};

}  // namespace limbeck::distill

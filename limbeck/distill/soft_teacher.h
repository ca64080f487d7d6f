// A local teacher's whole distribution at every target, without ever storing it: what is kept are
// the teacher's final hidden states; its output layer is applied chunk by chunk beside the
// student's.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "limbeck/distill/target_batch.h"

namespace limbeck::distill {

class SoftTeacher {
 public:
  // Throws as Checkpoint::open; Error{usage} if its vocabulary is not `tokenizer`'s.
  SoftTeacher(const std::filesystem::path& model, const Tokenizer& tokenizer, bool bf16,
              at::Device device);

  // Runs the teacher once over all rows, in one fixed order, if the hidden states fit in `bytes`;
  // otherwise each batch runs it anew. Either way a resumed run sees the same numbers.
  void prepare(std::span<const TrainRow> rows, std::int64_t micro_tokens, std::uint64_t bytes);

  // Sets the dense targets of `batch`, made of these rows.
  void label(const MicroBatch& micro, TargetBatch& batch) const;

  const Architecture& architecture() const { return decoder_.architecture(); }
  const at::Tensor& weights() const { return decoder_.parameters().value; }

 private:
  TorchDecoder decoder_;
  std::vector<at::Tensor> kept_;  // of each row [targets, hidden]; empty: not kept
};

}  // namespace limbeck::distill

// A teacher with another vocabulary. Both sides' tokens of one answer are cut into the shortest
// spans that end at the same byte; over each span the loss compares sorted probabilities (ULD,
// Boizard et al. 2024, 2402.12030), those of a span of several tokens merged by the chain rule.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "limbeck/distill/target_batch.h"

namespace limbeck::distill {

// Targets [student_begin, student_end) and [teacher_begin, teacher_end) spell the same bytes.
struct AlignedSpan {
  std::int64_t student_begin = 0, student_end = 0, teacher_begin = 0, teacher_end = 0;
};

// From the bytes of each side's target tokens (a token that ends the answer has none). What lies
// behind the last common boundary is left out.
std::vector<AlignedSpan> align(std::span<const std::int64_t> student_bytes,
                               std::span<const std::int64_t> teacher_bytes);

// For targets packed as in a TargetBatch.
struct CrossTargets {
  std::vector<TokenId> teacher_labels;  // [teacher targets]
  std::vector<AlignedSpan> spans;       // rising; indices into both sides' targets
  at::Tensor teacher_hidden;            // [teacher targets, width]
  at::Tensor teacher_output;            // [teacher vocab, width]
  double teacher_softcap = 0;
};

// As head_loss; the soft term of a span is sum_k |s_k - t_k|, where s are the student's sorted
// probabilities at the span's first target times the probabilities of its other tokens, t the
// teacher's, the shorter list padded with zeros. LossSums::soft_targets counts spans.
at::Tensor cross_head_loss(const at::Tensor& hidden, const Parameter& output,
                           const std::vector<TokenId>& labels, const CrossTargets& targets,
                           const HeadOptions& options, LossSums& sums);

// The same by autograd over all rows at once: what the tests compare with. z [targets, vocab] with
// gradient, teacher [teacher targets, teacher vocab] logits; the unscaled total.
at::Tensor reference_cross_loss(const LossSpec& spec, const at::Tensor& z,
                                const std::vector<TokenId>& labels, const at::Tensor& teacher,
                                const CrossTargets& targets);

class CrossTeacher {
 public:
  // `rows` of the student's tokens and `teacher_rows`, the same texts in the teacher's. Throws
  // Error{usage} if their numbers differ or a teacher's row does not fit it.
  CrossTeacher(const std::filesystem::path& model, const Tokenizer& students,
               std::span<const TrainRow> rows, std::span<const TrainRow> teacher_rows, bool bf16,
               at::Device device);

  // For the batch made of these rows.
  CrossTargets label(const MicroBatch& micro) const;

  const at::Tensor& weights() const { return decoder_.parameters().value; }

 private:
  TorchDecoder decoder_;
  std::span<const TrainRow> rows_, teacher_rows_;
  std::vector<std::vector<AlignedSpan>> spans_;  // of each row
};

}  // namespace limbeck::distill

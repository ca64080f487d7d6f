// A student cut out of its teacher: layers by block influence (2403.03853), then feed-forward
// neurons, heads and hidden channels by the size of their activations (Minitron, 2407.14679).
// Sees no libtorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "limbeck/distill/trainer.h"

namespace limbeck::distill {

// What the student keeps; 0: as the teacher. Each at most the teacher's.
struct CutShape {
  std::int64_t layers = 0, hidden = 0, ffn = 0;
  std::int64_t heads = 0;  // whole key-value groups go: heads / kv_heads stays as it is
};

struct CutOptions {
  std::int64_t keep_first = 1, keep_last = 1;  // layers never removed
  std::int64_t max_tokens = 65536;             // of `rows` that are looked at
  std::string save = "f32";                    // f32 | bf16 | f16
  int threads = 0;
};

struct CutReport {
  std::vector<double>
      influence;  // of each teacher layer: 1 - cosine of the stream before and after
  std::int64_t removed_first = 0, removed_count = 0;  // the contiguous block of layers left out
  double removed_influence = 0;                       // 1 - cosine across that block
  std::vector<double> kept_ffn;  // of each kept layer: share of the neurons' mean |activation| kept
  Architecture architecture;     // of the student
  Json to_json() const;
};

// Measures the teacher on `rows` (texts like those the student will see) and writes the student, a
// Hugging Face folder with the teacher's tokenizer. Train it afterwards: a cut model is damaged.
// Throws Error{usage} on a shape that is not inside the teacher's.
CutReport cut_student(const std::filesystem::path& teacher, std::span<const TrainRow> rows,
                      const CutShape& shape, const CutOptions& options,
                      const std::filesystem::path& output);

}  // namespace limbeck::distill

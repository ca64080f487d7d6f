// What a run will take, known before it: for `limbeck bench`, the advice and limits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "limbeck/runtime/linear.h"
#include "limbeck/runtime/model.h"

namespace limbeck {

// Bytes of resident memory beyond what the process holds before the file is opened; the
// tokenizer's, where one is read, come on top.
struct MemoryPlan {
  std::size_t weights = 0;  // re-laid, and those of the file's pages that stay
  std::size_t cache = 0;    // keys and values of the positions used
  std::size_t scratch = 0;  // activations of the tokens that run together, logits
  std::size_t total() const noexcept { return weights + cache + scratch; }
};

// Of one decoder whose n_sequences sequences reach `positions` each, `tokens` of a prompt in one
// forward pass that wants the logits of `n_logits`. Where `repack` is off, the weights are pages of
// the file that the system may drop: a model larger than memory runs.
MemoryPlan plan_memory(const Checkpoint& checkpoint, const ModelOptions& model,
                       const DecoderOptions& decoder, std::int64_t positions, std::int64_t tokens,
                       std::int64_t n_logits = 1);

// The part of it that depends on the architecture and on what the weights' types make of rows.
std::size_t scratch_bytes(const Architecture& architecture, std::size_t tokens,
                          std::size_t n_logits, const RowForms& forms = {.codes = true}) noexcept;

// How many items of a prompt run together, at most `batch`, where the weights are re-laid: so many
// that the widest activations stay in the second-level cache, unless that would be so few that
// unpacking the weights for them again and again takes longer.
std::size_t items_at_once(const Architecture& architecture, std::size_t batch) noexcept;

}  // namespace limbeck

// Healing: the scales of a rounded model trained towards the original, its codes frozen. This
// header sees no libtorch; without it the function throws Error{unsupported}.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "limbeck/model/checkpoint.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck::distill {

struct HealOptions {
  std::int64_t steps = 100;
  std::int64_t batch_tokens = 4096;  // of a step
  std::int64_t micro_tokens = 1024;  // of a forward pass
  double learning_rate = 3e-3;       // of the factors: by how much a scale may change in one step
  bool vectors = true;               // norms and biases, which a GGUF file keeps in f32, as well
  std::int64_t evaluations = 8;      // on the held-out sequences, spread over the steps
  int threads = 0;                   // 0: one per core
  std::uint64_t seed = 1;
  std::filesystem::path checkpoints;  // a folder for one at each evaluation; empty: none
};

// Token sequences; the two have none in common.
struct HealText {
  std::span<const std::vector<TokenId>> train, held_out;
};

struct HealedModel {
  // By canonical name, each matrix whose type has scales in its type, each vector in f32.
  std::map<std::string, std::vector<std::byte>> tensors;
  std::int64_t steps = 0, tokens = 0;  // done; trained on
  std::int64_t resumed = 0;            // of the steps: found done in a checkpoint
  std::int64_t best_step = 0;  // what `tensors` holds; 0: nothing got better, they are as before
  double kl_before = 0, kl_after = 0;  // nats a token on the held-out text, in this decoder
};

// Minimises KL(original || rounded) over `text.train` by the factors of every binary16 scale and
// minimum (AdamW without decay, straight through the rounding to binary16) and keeps the best of
// what the held-out text sees. `rounded`: the original with matrices replaced by rounded ones. Both
// models must fit in memory: 16 bytes a weight. The same bytes for the same options and threads,
// also where it goes on from a checkpoint. Throws Error{usage} where no matrix has scales or a text
// is empty, Error{interrupted} on a signal, Error{numeric} if the divergence is not finite.
HealedModel heal_scales(const std::filesystem::path& original, const Checkpoint& rounded,
                        const HealText& text, const HealOptions& options);

}  // namespace limbeck::distill

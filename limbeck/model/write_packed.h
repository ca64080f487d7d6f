// Q4_0 matrices as compressed-tensors packs them ("pack-quantized", 4 bits, symmetric), which vLLM
// and transformers load: the same codes and scales, nothing is rounded.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/format/gguf.h"
#include "limbeck/model/checkpoint.h"

namespace limbeck {

// Which of a model's tensors can be packed: Q4_0 matrices of its layers, where all that engines
// fuse with them (q, k and v; gate and up) are so too. [tensors.size()]
std::vector<bool> packable(std::span<const NamedTensor> tensors);

struct PackedModel {
  std::vector<GgufTensor>
      tensors;               // each Q4_0 one became weight_packed, weight_scale, weight_shape
  Json quantization_config;  // for config.json
};

// `tensors` under the names of the folder to be written. The group is the largest of 128, 64 and 32
// columns that all matrices keep one scale in, so they are made once here and again when written.
PackedModel pack_compressed(std::span<const GgufTensor> tensors);

}  // namespace limbeck

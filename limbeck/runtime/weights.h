// The weights of a model in the order the forward pass takes them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "limbeck/base/page_buffer.h"
#include "limbeck/runtime/linear.h"
#include "limbeck/runtime/model.h"

namespace limbeck {

// Weight and bias [columns] of a norm; empty weight: there is no such norm. The 1 + of
// NormKind::rms_plus_one is in the weight already.
struct Norm {
  std::vector<float> weight, bias;
};

struct Layer {
  Norm attention_norm, ffn_norm, post_attention_norm, post_ffn_norm, q_norm, k_norm;
  Linear q, k, v, attention_output;
  Linear gate;  // no rows unless gated
  Linear up, down;
};

struct Model::Impl {
  const Checkpoint* checkpoint = nullptr;
  Weight embedding;
  std::optional<Weight> positions;  // learned ones
  Norm output_norm;
  Linear output;
  std::vector<Layer> layers;
  PageBuffer packed;  // the panels of all matrices
};

// The matrices of a model in the order they are used.
std::vector<const Linear*> linears_of(const Model::Impl& model);

// Decodes row `row` of an embedding table. out.size() == weight.columns.
void embedding_row(const Weight& weight, std::int64_t row, std::span<float> out);

}  // namespace limbeck

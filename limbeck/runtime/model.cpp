#include "limbeck/runtime/model.h"

#include <algorithm>
#include <string>

#include "limbeck/base/error.h"
#include "limbeck/base/mapped_file.h"
#include "limbeck/codec/codec.h"
#include "limbeck/runtime/weights.h"

namespace limbeck {
namespace {

Norm read_norm(const Checkpoint& checkpoint, const std::string& name) {
  Norm norm;
  if (!checkpoint.find(name + ".weight")) return norm;
  norm.weight = checkpoint.floats(name + ".weight");
  if (checkpoint.find(name + ".bias")) norm.bias = checkpoint.floats(name + ".bias");
  if (checkpoint.architecture().norm == NormKind::rms_plus_one) {
    for (float& weight : norm.weight) weight += 1;
  }
  return norm;
}

Layer read_layer(const Checkpoint& checkpoint, std::int64_t i) {
  const std::string prefix = fmt::format("blk.{}.", i);
  const auto norm = [&](const char* name) { return read_norm(checkpoint, prefix + name); };
  const auto linear = [&](const char* name) {
    return make_linear(checkpoint, prefix + name + ".weight");
  };
  Layer layer;
  layer.attention_norm = norm("attn_norm");
  layer.ffn_norm = norm("ffn_norm");
  layer.post_attention_norm = norm("post_attention_norm");
  layer.post_ffn_norm = norm("post_ffw_norm");
  layer.q_norm = norm("attn_q_norm");
  layer.k_norm = norm("attn_k_norm");
  layer.q = linear("attn_q");
  layer.k = linear("attn_k");
  layer.v = linear("attn_v");
  layer.attention_output = linear("attn_output");
  if (checkpoint.architecture().gated_ffn) layer.gate = linear("ffn_gate");
  layer.up = linear("ffn_up");
  layer.down = linear("ffn_down");
  return layer;
}

std::size_t aligned(std::size_t bytes) noexcept { return (bytes + 63) / 64 * 64; }

}  // namespace

std::vector<const Linear*> linears_of(const Model::Impl& model) {
  std::vector<const Linear*> all;
  for (const Layer& layer : model.layers) {
    for (const Linear* linear : {&layer.q, &layer.k, &layer.v, &layer.attention_output, &layer.gate,
                                 &layer.up, &layer.down}) {
      if (linear->rows() > 0) all.push_back(linear);
    }
  }
  if (model.output.rows() > 0) all.push_back(&model.output);
  return all;
}

void embedding_row(const Weight& weight, std::int64_t row, std::span<float> out) {
  const std::size_t stride = row_bytes(weight.type, weight.columns);
  decode_row(weight.type, weight.bytes.subspan(static_cast<std::size_t>(row) * stride, stride),
             out);
}

Model::Model(const Checkpoint& checkpoint, const ModelOptions& options)
    : impl_(std::make_unique<Impl>()) {
  impl_->checkpoint = &checkpoint;
  const Architecture& a = checkpoint.architecture();
  impl_->embedding = checkpoint.at("token_embd.weight");
  if (!can_decode(impl_->embedding.type)) {
    fail(ErrorKind::unsupported, "{}: tensor 'token_embd.weight' of type {} cannot be read",
         checkpoint.path().string(), info(impl_->embedding.type).name);
  }
  if (a.positions == Positions::learned) impl_->positions = checkpoint.at("position_embd.weight");
  impl_->output_norm = read_norm(checkpoint, "output_norm");
  const ModelPart part = options.part.value_or(ModelPart{0, a.layers, true});
  if (part.output) {
    impl_->output = make_linear(
        checkpoint, checkpoint.find("output.weight") ? "output.weight" : "token_embd.weight");
  }
  for (std::int64_t i = 0; i < a.layers; ++i) {
    const bool there = i >= part.first && i < part.last;
    impl_->layers.push_back(there ? read_layer(checkpoint, i) : Layer{});
  }
  if (!options.repack) return;
  std::size_t bytes = 0;
  for (const Linear* linear : linears_of(*impl_)) bytes += aligned(packed_bytes(*linear));
  impl_->packed = PageBuffer(bytes);
  ThreadPool pool(options.threads);
  std::size_t used = 0;
  for (const Linear* linear : linears_of(*impl_)) {
    const std::size_t size = packed_bytes(*linear);
    repack(const_cast<Linear&>(*linear), impl_->packed.bytes().subspan(used, size), pool);
    used += aligned(size);
  }
  // Reading a page maps its neighbours: what was let go in between came back in parts.
  for (const Linear* linear : linears_of(*impl_)) {
    if (linear->layout) release_mapped(linear->weight.bytes);
  }
  check_mapped_files();
}

Model::~Model() = default;
Model::Model(Model&&) noexcept = default;

const Architecture& Model::architecture() const noexcept {
  return impl_->checkpoint->architecture();
}
const Checkpoint& Model::checkpoint() const noexcept { return *impl_->checkpoint; }

std::size_t Model::memory_bytes() const noexcept { return impl_->packed.bytes().size(); }

}  // namespace limbeck

#include "limbeck/runtime/memory.h"

#include <algorithm>

#include "limbeck/runtime/cache.h"
#include "limbeck/runtime/weights.h"

namespace limbeck {
namespace {

std::size_t size(std::int64_t value) noexcept { return static_cast<std::size_t>(value); }

// Of a row of activations: floats, and its forms with their share of tiles.
std::size_t row_of(std::size_t columns, std::size_t tokens, const RowForms& forms) noexcept {
  const std::size_t tiles = tokens > kDirectRows ? (columns + 255) / 256 : 0;
  std::size_t bytes = columns * 4;
  if (forms.codes) {
    bytes += columns + columns / 32 * 4 + columns / 16 * 4 +
             tiles * kLinesOfRow * sizeof(TileLine) * (forms.pairs ? 2 : 1);
  }
  if (forms.bf16) bytes += (columns + 31) / 32 * 32 * 4 + tiles * sizeof(RoundedTile) / kTileRows;
  return bytes;
}

}  // namespace

std::size_t scratch_bytes(const Architecture& a, std::size_t tokens, std::size_t n_logits,
                          const RowForms& forms) noexcept {
  const std::size_t hidden = size(a.hidden), q = size(a.heads * a.head_dim),
                    kv = size(a.kv_heads * a.head_dim), ffn = size(a.ffn);
  const std::size_t row = row_of(hidden, tokens, forms) * 2 + row_of(q, tokens, forms) +
                          row_of(ffn, tokens, forms) +
                          4 * (q + 2 * kv + 2 * hidden + (a.gated_ffn ? ffn : 0)) +
                          4 * size(a.rope_dim) * (a.sliding_window > 0 ? 2 : 1);
  return tokens * row + n_logits * 4 * (size(a.vocab_size) + hidden);
}

std::size_t items_at_once(const Architecture& a, std::size_t batch) noexcept {
  constexpr std::size_t kNear = 3u << 19, kLeast = 96;
  const std::size_t near = kNear / (sizeof(float) * size(a.ffn) * (a.gated_ffn ? 2 : 1));
  return std::max<std::size_t>(near < kLeast ? batch : std::min(near, batch), 1);
}

MemoryPlan plan_memory(const Checkpoint& checkpoint, const ModelOptions& model,
                       const DecoderOptions& decoder, std::int64_t positions, std::int64_t tokens,
                       std::int64_t n_logits) {
  const Architecture& a = checkpoint.architecture();
  // The embedding's rows: a page fault brings 16 pages of 4 kB.
  constexpr std::size_t kFault = 1u << 16;
  const Weight embedding = checkpoint.at("token_embd.weight");
  const bool tied = !checkpoint.find("output.weight");
  MemoryPlan plan;
  RowForms forms;
  for (const TensorSpec& spec : tensor_specs(a)) {
    const auto weight = checkpoint.find(spec.name);
    if (!weight || (spec.name == "token_embd.weight" && !tied)) continue;
    const PanelLayout* layout = panel_layout(weight->type);
    const std::size_t rows = size(weight->rows), columns = size(weight->columns);
    if (spec.shape.size() > 1) forms.add(weight->type);
    if (spec.shape.size() == 1) {
      plan.weights += columns * 4;  // norms and biases are decoded
    } else if (layout && model.repack) {
      plan.weights += (rows + kPanelRows - 1) / kPanelRows * panel_bytes(*layout, columns);
    } else {
      plan.weights += weight->bytes.size();
    }
  }
  const bool rows_alone = !tied || (model.repack && panel_layout(embedding.type));
  if (rows_alone) {
    // Each of `tokens` different rows falls into one of the table's faults at random.
    const std::size_t faults = embedding.bytes.size() / kFault + 1;
    double missed = 1;
    for (std::int64_t i = 0; i < std::max(tokens, positions); ++i) {
      missed *= 1 - 1.0 / static_cast<double>(faults);
    }
    plan.weights += static_cast<std::size_t>((1 - missed) * static_cast<double>(faults * kFault));
  }
  const std::int64_t context = decoder.context > 0 ? decoder.context : a.context_length;
  const Cache::Shape shape{size(a.layers), size(decoder.n_sequences), size(a.kv_heads),
                           size(context),  size(a.head_dim),          decoder.cache};
  plan.cache = Cache::bytes(shape, size(positions));
  const bool relaid = model.repack && (forms.codes || forms.bf16);
  const std::size_t most =
      relaid ? items_at_once(a, decoder.batch) : std::max<std::size_t>(decoder.batch, 1);
  plan.scratch = scratch_bytes(a, std::min(size(tokens), most), size(n_logits), forms);
  return plan;
}

}  // namespace limbeck

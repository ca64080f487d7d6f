#include "limbeck/runtime/linear.h"

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/base/mapped_file.h"
#include "limbeck/codec/codec.h"
#include "limbeck/runtime/parallel.h"

namespace limbeck {
namespace {

bool is_plain(TensorType type) noexcept {
  return type == TensorType::f32 || type == TensorType::f16;
}

std::span<const std::byte> row_bytes_of(const Linear& linear, std::size_t row, std::size_t n) {
  const std::size_t stride = linear.weight.bytes.size() / linear.rows();
  return linear.weight.bytes.subspan(row * stride, n * stride);
}

// Rows [first, first + n) times all of x.
void multiply_plain(const KernelTable& kernels, const Linear& linear, std::size_t first,
                    std::size_t n, const Rows& x, Output out) {
  const auto bytes = row_bytes_of(linear, first, n);
  const PlainRows rows{linear.weight.type, bytes.data(), linear.columns(), bytes.size() / n};
  kernels.matmul_plain(rows, n, x.row(0), x.columns(), x.n(), {out.data + first, out.stride});
}

// As above, for types without a kernel of their own: decoded a few rows at a time.
void multiply_decoded(const KernelTable& kernels, const Linear& linear, std::size_t first,
                      std::size_t n, const Rows& x, Output out) {
  thread_local std::vector<float> decoded;
  const std::size_t columns = linear.columns(), group = 4;
  decoded.resize(group * columns);
  for (std::size_t r = 0; r < n; r += group) {
    const std::size_t here = std::min(group, n - r);
    for (std::size_t i = 0; i < here; ++i) {
      decode_row(linear.weight.type, row_bytes_of(linear, first + r + i, 1),
                 std::span(decoded).subspan(i * columns, columns));
    }
    const PlainRows rows{TensorType::f32, reinterpret_cast<const std::byte*>(decoded.data()),
                         columns, columns * sizeof(float)};
    kernels.matmul_plain(rows, here, x.row(0), x.columns(), x.n(),
                         {out.data + first + r, out.stride});
  }
}

void multiply_packed(const KernelTable& kernels, const PanelMatrix& matrix, std::size_t panel,
                     std::size_t n_panels, const Rows& x, Output out) {
  if (matrix.type == TensorType::bf16)
    return kernels.matmul_bf16(matrix, panel, n_panels, x.rounded(), x.n(), out);
  kernels.matmul_panels(matrix, panel, n_panels, x.codes(), x.n(), out);
}

void multiply_panels(const KernelTable& kernels, const Linear& linear, std::size_t first,
                     std::size_t n, const Rows& x, Output out) {
  const std::size_t panel = first / kPanelRows, n_panels = (n + kPanelRows - 1) / kPanelRows;
  PanelMatrix matrix{linear.weight.type, linear.rows(), linear.columns(),
                     panel_bytes(*linear.layout, linear.columns()), linear.packed.data()};
  if (!linear.packed.empty()) {
    multiply_packed(kernels, matrix, panel, n_panels, x, out);
    return;
  }
  thread_local std::vector<std::uint8_t> packed;
  packed.resize(n_panels * matrix.panel_bytes);
  for (std::size_t p = 0; p < n_panels; ++p) {
    const std::size_t row = first + p * kPanelRows, here = std::min(kPanelRows, first + n - row);
    pack_panel(*linear.layout, row_bytes_of(linear, row, here), here, linear.columns(),
               std::span(packed).subspan(p * matrix.panel_bytes, matrix.panel_bytes));
  }
  matrix.rows = n;
  matrix.data = packed.data();
  multiply_packed(kernels, matrix, 0, n_panels, x, {out.data + first, out.stride});
}

void multiply_rows(const KernelTable& kernels, const Linear& linear, std::size_t first,
                   std::size_t n, const Rows& x, Output out) {
  if (linear.layout) {
    multiply_panels(kernels, linear, first, n, x, out);
  } else if (is_plain(linear.weight.type)) {
    multiply_plain(kernels, linear, first, n, x, out);
  } else {
    multiply_decoded(kernels, linear, first, n, x, out);
  }
  if (linear.bias.empty()) return;
  for (std::size_t i = 0; i < x.n(); ++i) {
    for (std::size_t r = first; r < first + n; ++r) out.data[i * out.stride + r] += linear.bias[r];
  }
}

// Rows a task takes: two panels or more, until a task is worth its start. With many rows of
// activations whole fours, which is what a kernel takes at once (bf16 of AVX-512).
std::size_t rows_of_task(const Linear& linear, std::size_t n) noexcept {
  constexpr std::size_t kWeights = 1u << 15;
  const std::size_t least = (n > kDirectRows ? 4 : 2) * kPanelRows;
  return (kWeights / linear.columns() / least + 1) * least;
}

}  // namespace

Linear make_linear(const Checkpoint& checkpoint, const std::string& name) {
  Linear linear;
  linear.name = name;
  linear.weight = checkpoint.at(name);
  linear.layout = panel_layout(linear.weight.type);
  if (!is_plain(linear.weight.type) && !can_decode(linear.weight.type)) {
    fail(ErrorKind::unsupported, "{}: tensor '{}' is of type {}, which cannot be multiplied",
         checkpoint.path().string(), name, info(linear.weight.type).name);
  }
  if (name.ends_with(".weight")) {
    const std::string bias = name.substr(0, name.size() - 6) + "bias";
    if (checkpoint.find(bias)) linear.bias = checkpoint.floats(bias);
  }
  return linear;
}

std::size_t packed_bytes(const Linear& linear) noexcept {
  if (!linear.layout) return 0;
  const std::size_t n_panels = (linear.rows() + kPanelRows - 1) / kPanelRows;
  return n_panels * panel_bytes(*linear.layout, linear.columns());
}

void repack(Linear& linear, std::span<std::uint8_t> to, ThreadPool& pool) {
  if (!linear.layout) return;
  const std::size_t size = panel_bytes(*linear.layout, linear.columns());
  constexpr std::size_t kPanels = 8;  // a task: about a page of the memory being filled
  pool.run_ranges(to.size() / size, kPanels, [&](std::size_t begin, std::size_t end) {
    for (std::size_t p = begin; p < end; ++p) {
      const std::size_t row = p * kPanelRows, here = std::min(kPanelRows, linear.rows() - row);
      pack_panel(*linear.layout, row_bytes_of(linear, row, here), here, linear.columns(),
                 to.subspan(p * size, size));
    }
    const std::size_t first = begin * kPanelRows;
    release_mapped(row_bytes_of(linear, first, std::min(end * kPanelRows, linear.rows()) - first));
  });
  linear.packed = to;
}

void RowForms::add(TensorType weights) noexcept {
  if (weights == TensorType::bf16) {
    bf16 = true;
  } else {
    const PanelLayout* layout = panel_layout(weights);
    codes |= layout != nullptr;
    pairs |= layout != nullptr && layout->two_scales && kernels().pack_pairs != nullptr;
  }
}

RowForms forms_of(std::span<const Linear* const> layers) noexcept {
  RowForms forms;
  for (const Linear* layer : layers) forms.add(layer->weight.type);
  return forms;
}

void Rows::resize(std::size_t n, std::size_t columns, const RowForms& forms) {
  n_ = n;
  columns_ = columns;
  forms_ = forms;
  if (floats_.size() < n * columns) floats_.resize(n * columns);
  const bool tiled = n > kDirectRows;
  if (forms.bf16) {
    const std::size_t tiles = tiled ? n_tiles() * ((columns + 255) / 256) : 0;
    if (rounded_.size() < n * rounded_stride()) rounded_.resize(n * rounded_stride());
    if (rounded_tiles_.size() < tiles) rounded_tiles_.resize(tiles);
  }
  if (!forms.codes) return;
  if (codes_.size() < n * columns) {
    codes_.resize(n * columns);
    scales_.resize(n * columns / kBlockColumns);
    sums_.resize(n * columns / 16);
  }
  const std::size_t lines = tiled ? tile_lines(n, columns) : 0;
  if (tiles_.size() < lines) tiles_.resize(lines);
  if (forms.pairs && pair_tiles_.size() < lines) pair_tiles_.resize(lines);
}

void Rows::make_forms(const KernelTable& kernels, std::size_t i) noexcept {
  if (forms_.bf16) {
    float* to = rounded_.data() + i * rounded_stride();
    kernels.round_row(row(i), columns_, to);
    if (n_ > kDirectRows) {
      kernels.pack_rounded(to, columns_, rounded_tiles_.data() + i / kTileRows, n_tiles(),
                           i % kTileRows);
    }
  }
  if (!forms_.codes) return;
  std::int8_t* codes = codes_.data() + i * columns_;
  float* scales = scales_.data() + i * columns_ / kBlockColumns;
  std::int32_t* sums = sums_.data() + i * columns_ / 16;
  kernels.quantize_row(row(i), columns_, codes, scales, sums);
  if (n_ > kDirectRows) {
    const QuantizedRows made{codes, scales, sums, columns_};
    kernels.pack_row(made, tiles_.data(), n_, i);
    if (forms_.pairs) kernels.pack_pairs(made, pair_tiles_.data(), n_, i);
  }
}

QuantizedRows Rows::codes() const noexcept {
  return {codes_.data(), scales_.data(), sums_.data(), columns_, tiles_.data(), pair_tiles_.data()};
}

RoundedRows Rows::rounded() const noexcept {
  return {rounded_.data(), rounded_stride(), rounded_tiles_.data()};
}

std::size_t Rows::memory_bytes() const noexcept {
  return floats_.size() * 4 + rounded_.size() * 4 + scales_.size() * 4 + codes_.size() +
         sums_.size() * 4 + (tiles_.size() + pair_tiles_.size()) * sizeof(TileLine) +
         rounded_tiles_.size() * sizeof(RoundedTile);
}

void multiply(ThreadPool& pool, const KernelTable& kernels, std::span<const Linear* const> layers,
              const Rows& x, std::span<float* const> out) {
  if (x.n() == 0) return;
  std::size_t n_tasks = 0, work = 0;
  for (const Linear* layer : layers) {
    work += layer->rows() * layer->columns() * x.n();
    const std::size_t grain = rows_of_task(*layer, x.n());
    n_tasks += (layer->rows() + grain - 1) / grain;
  }
  run_if_worth(pool, n_tasks, work, [&](std::size_t task) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Linear& layer = *layers[i];
      const std::size_t grain = rows_of_task(layer, x.n()),
                        tasks = (layer.rows() + grain - 1) / grain;
      if (task >= tasks) {
        task -= tasks;
        continue;
      }
      const std::size_t first = task * grain;
      multiply_rows(kernels, layer, first, std::min(grain, layer.rows() - first), x,
                    {out[i], layer.rows()});
      return;
    }
  });
}

}  // namespace limbeck

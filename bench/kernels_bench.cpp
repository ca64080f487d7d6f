// Every kernel that takes a model's time, for each instruction set of this CPU: one row of
// activations (generation; bytes/s of weights) and 510 (a prompt; multiply-adds/s).
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/kernels/kernel_table.h"

namespace limbeck {
namespace {

constexpr std::size_t kRows = 512, kColumns = 2048, kPrompt = 510;
constexpr TensorType kTypes[] = {TensorType::q8_0,   TensorType::q4_0, TensorType::q4_k,
                                 TensorType::iq4_xs, TensorType::q2_k, TensorType::q3_k,
                                 TensorType::q6_k};

std::vector<float> normals(std::size_t n) {
  Random random(n);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

struct Activations {
  std::vector<std::int8_t> codes;
  std::vector<float> scales;
  std::vector<std::int32_t> sums;
  std::vector<TileLine> tiles, pair_tiles;

  Activations(const KernelTable& table, std::size_t n)
      : codes(n * kColumns), scales(n * kColumns / 32), sums(n * kColumns / 16) {
    tiles.resize(tile_lines(n, kColumns));
    pair_tiles.resize(tiles.size());
    const auto x = normals(kColumns);
    for (std::size_t i = 0; i < n; ++i) {
      const QuantizedRows row{codes.data() + i * kColumns, scales.data() + i * kColumns / 32,
                              sums.data() + i * kColumns / 16, kColumns};
      table.quantize_row(x.data(), kColumns, codes.data() + i * kColumns,
                         scales.data() + i * kColumns / 32, sums.data() + i * kColumns / 16);
      table.pack_row(row, tiles.data(), n, i);
      if (table.pack_pairs) table.pack_pairs(row, pair_tiles.data(), n, i);
    }
  }
  QuantizedRows view() const {
    return {codes.data(), scales.data(), sums.data(), kColumns, tiles.data(), pair_tiles.data()};
  }
};

struct Packed {
  std::vector<std::uint8_t> panels;
  PanelMatrix matrix;

  explicit Packed(TensorType type) {
    const auto values = normals(kColumns);
    std::vector<std::byte> rows(kPanelRows * row_bytes(type, kColumns));
    for (std::size_t r = 0; r < kPanelRows; ++r) {
      encode_row(type, values,
                 std::span(rows).subspan(r * rows.size() / kPanelRows, rows.size() / kPanelRows));
    }
    const PanelLayout& layout = *panel_layout(type);
    const std::size_t size = panel_bytes(layout, kColumns);
    panels.resize(kRows / kPanelRows * size);
    for (std::size_t p = 0; p < kRows / kPanelRows; ++p) {
      pack_panel(layout, rows, kPanelRows, kColumns, std::span(panels).subspan(p * size, size));
    }
    matrix = {type, kRows, kColumns, size, panels.data()};
  }
};

void count(benchmark::State& state, std::size_t bytes, std::size_t n) {
  const auto rounds = static_cast<double>(state.iterations());
  const auto rate = benchmark::Counter::kIsRate;
  state.counters["weights_B/s"] = {rounds * static_cast<double>(bytes), rate};
  state.counters["mul-adds/s"] = {rounds * static_cast<double>(kRows * kColumns * n), rate};
}

void panels(benchmark::State& state, const KernelTable& table, TensorType type, std::size_t n) {
  const Packed packed(type);
  const Activations x(table, n);
  std::vector<float> out(n * kRows);
  for (auto _ : state) {
    table.matmul_panels(packed.matrix, 0, kRows / kPanelRows, x.view(), n, {out.data(), kRows});
    benchmark::ClobberMemory();
  }
  count(state, packed.panels.size(), n);
}

void bf16(benchmark::State& state, const KernelTable& table, std::size_t n) {
  const Packed packed(TensorType::bf16);
  const std::size_t n_tiles = (n + kTileRows - 1) / kTileRows;
  const auto x = normals(kColumns);
  std::vector<float> rows(n * kColumns), out(n * kRows);
  std::vector<RoundedTile> tiles(kColumns / 256 * n_tiles);
  for (std::size_t i = 0; i < n; ++i) {
    float* row = rows.data() + i * kColumns;
    table.round_row(x.data(), kColumns, row);
    table.pack_rounded(row, kColumns, tiles.data() + i / kTileRows, n_tiles, i % kTileRows);
  }
  for (auto _ : state) {
    table.matmul_bf16(packed.matrix, 0, kRows / kPanelRows, {rows.data(), kColumns, tiles.data()},
                      n, {out.data(), kRows});
    benchmark::ClobberMemory();
  }
  count(state, packed.panels.size(), n);
}

using Products = std::uint64_t (*)(std::uint64_t) noexcept;
void peak(benchmark::State& state, Products products) {
  std::uint64_t done = 0;
  for (auto _ : state) done += products(100'000);
  state.counters["mul-adds/s"] = {static_cast<double>(done), benchmark::Counter::kIsRate};
}

void plain(benchmark::State& state, const KernelTable& table, TensorType type, std::size_t n) {
  std::vector<std::byte> rows(kRows * row_bytes(type, kColumns));
  for (std::size_t r = 0; r < kRows; ++r) {
    encode_row(type, normals(kColumns),
               std::span(rows).subspan(r * rows.size() / kRows, rows.size() / kRows));
  }
  const auto x = normals(n * kColumns);
  std::vector<float> out(n * kRows);
  const PlainRows view{type, rows.data(), kColumns, rows.size() / kRows};
  for (auto _ : state) {
    table.matmul_plain(view, kRows, x.data(), kColumns, n, {out.data(), kRows});
    benchmark::ClobberMemory();
  }
  count(state, rows.size(), n);
}

void register_all() {
  for (const KernelTable* table : supported_kernels()) {
    const std::string isa(table->name);
    const bool slow = table == &kScalarKernels;
    const std::pair<const char*, Products> peaks[] = {{"/int8_peak", table->int8_products},
                                                      {"/f32_peak", table->float_products},
                                                      {"/bf16_peak", table->bf16_products}};
    for (const auto& [name, products] : peaks)
      benchmark::RegisterBenchmark(
          (isa + name).c_str(), [=, run = products](benchmark::State& state) { peak(state, run); });
    for (const std::size_t n : {std::size_t{1}, slow ? 12 : kPrompt})
      benchmark::RegisterBenchmark((isa + "/bf16/" + std::to_string(n)).c_str(),
                                   [=](benchmark::State& state) { bf16(state, *table, n); });
    for (const TensorType type : kTypes) {
      for (const std::size_t n : {std::size_t{1}, slow ? 12 : kPrompt}) {
        const std::string name = isa + "/" + std::string(info(type).name) + "/" + std::to_string(n);
        benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { panels(state, *table, type, n); });
      }
    }
    for (const TensorType type : {TensorType::f32, TensorType::f16}) {
      for (const std::size_t n : {std::size_t{1}, slow ? 12 : kPrompt}) {
        const std::string name = isa + "/" + std::string(info(type).name) + "/" + std::to_string(n);
        benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { plain(state, *table, type, n); });
      }
    }
  }
}

}  // namespace
}  // namespace limbeck

int main(int argc, char** argv) {
  limbeck::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

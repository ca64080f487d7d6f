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
  std::vector<ActivationTile> tiles;

  Activations(const KernelTable& table, std::size_t n)
      : codes(n * kColumns), scales(n * kColumns / 32), sums(n * kColumns / 16) {
    const std::size_t n_tiles = (n + kTileRows - 1) / kTileRows;
    tiles.resize(kColumns / 256 * n_tiles);
    const auto x = normals(kColumns);
    for (std::size_t i = 0; i < n; ++i) {
      const QuantizedRows row{codes.data() + i * kColumns, scales.data() + i * kColumns / 32,
                              sums.data() + i * kColumns / 16, kColumns};
      table.quantize_row(x.data(), kColumns, codes.data() + i * kColumns,
                         scales.data() + i * kColumns / 32, sums.data() + i * kColumns / 16);
      table.pack_row(row, tiles.data() + i / kTileRows, n_tiles, i % kTileRows);
    }
  }
  QuantizedRows view() const {
    return {codes.data(), scales.data(), sums.data(), kColumns, tiles.data()};
  }
};

void panels(benchmark::State& state, const KernelTable& table, TensorType type, std::size_t n) {
  const auto values = normals(kColumns);
  std::vector<std::byte> rows(kPanelRows * row_bytes(type, kColumns));
  for (std::size_t r = 0; r < kPanelRows; ++r) {
    encode_row(type, values,
               std::span(rows).subspan(r * rows.size() / kPanelRows, rows.size() / kPanelRows));
  }
  const PanelLayout& layout = *panel_layout(type);
  const std::size_t size = panel_bytes(layout, kColumns);
  std::vector<std::uint8_t> packed(kRows / kPanelRows * size);
  for (std::size_t p = 0; p < kRows / kPanelRows; ++p) {
    pack_panel(layout, rows, kPanelRows, kColumns, std::span(packed).subspan(p * size, size));
  }
  const PanelMatrix matrix{type, kRows, kColumns, size, packed.data()};
  const Activations x(table, n);
  std::vector<float> out(n * kRows);
  for (auto _ : state) {
    table.matmul_panels(matrix, 0, kRows / kPanelRows, x.view(), n, {out.data(), kRows});
    benchmark::ClobberMemory();
  }
  const auto rounds = static_cast<double>(state.iterations());
  const auto rate = benchmark::Counter::kIsRate;
  state.counters["weights_B/s"] = {rounds * static_cast<double>(packed.size()), rate};
  state.counters["mul-adds/s"] = {rounds * static_cast<double>(kRows * kColumns * n), rate};
}

void peak(benchmark::State& state, const KernelTable& table) {
  std::uint64_t done = 0;
  for (auto _ : state) done += table.int8_products(100'000);
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
  const double products = static_cast<double>(state.iterations() * kRows * kColumns * n);
  state.counters["mul-adds/s"] = {products, benchmark::Counter::kIsRate};
}

void register_all() {
  for (const KernelTable* table : supported_kernels()) {
    const std::string isa(table->name);
    const bool slow = table == &kScalarKernels;
    benchmark::RegisterBenchmark((isa + "/int8_peak").c_str(),
                                 [=](benchmark::State& state) { peak(state, *table); });
    for (const TensorType type : kTypes) {
      for (const std::size_t n : {std::size_t{1}, slow ? 12 : kPrompt}) {
        const std::string name = isa + "/" + std::string(info(type).name) + "/" + std::to_string(n);
        benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { panels(state, *table, type, n); });
      }
    }
    for (const TensorType type : {TensorType::f32, TensorType::f16, TensorType::bf16}) {
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

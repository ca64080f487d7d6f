// Rounding to each block format, one core, plain and by importance: weights/s of rows of 4096.
// LIMBECK_KERNELS chooses the instruction set.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"

namespace limbeck {
namespace {

constexpr std::size_t kColumns = 4096, kRows = 16;

std::vector<float> normals(std::size_t n, double deviation) {
  Random random(n);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(deviation * random.normal());
  return values;
}

void rounding(benchmark::State& state, TensorType type, bool weighted) {
  const std::vector<float> rows = normals(kRows * kColumns, 0.02);
  std::vector<float> importance = normals(kColumns, 1);
  for (float& value : importance) value = value * value + 0.01f;
  std::vector<std::byte> bytes(row_bytes(type, kColumns));
  for (auto _ : state) {
    for (std::size_t r = 0; r < kRows; ++r) {
      encode_row(type, std::span(rows).subspan(r * kColumns, kColumns), bytes,
                 weighted ? importance : std::span<const float>{});
      benchmark::ClobberMemory();
    }
  }
  const auto weights = static_cast<double>(state.iterations()) * kRows * kColumns;
  state.counters["ns/weight"] = {1e-9 * weights,
                                 benchmark::Counter::kIsRate | benchmark::Counter::kInvert};
}

void register_all() {
  for (const TensorTypeInfo& row : tensor_types()) {
    if (!is_quantized(row.type) || !can_encode(row.type)) continue;
    for (const bool weighted : {false, true}) {
      const std::string name = std::string(row.name) + (weighted ? "/importance" : "/plain");
      benchmark::RegisterBenchmark(name.c_str(), [type = row.type, weighted](benchmark::State& s) {
        rounding(s, type, weighted);
      });
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

#include "limbeck/pipeline/advise_probe.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/evaluate/speed.h"
#include "limbeck/quantize/plan.h"

namespace limbeck::pipeline {
namespace {

constexpr double kWholeBytes = 192e6;
constexpr double kRoundSeconds = 0.6;  // of prompt and of generation each

// A file that is gone when this is.
class TemporaryFile {
 public:
  TemporaryFile()
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("limbeck-probe-{}.gguf", ::getpid())) {}
  ~TemporaryFile() {
    std::error_code error;
    std::filesystem::remove(path_, error);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

// Every row of a matrix is the same random row: speed and memory do not see the difference, and
// nothing has to be rounded.
std::vector<std::byte> rows_of(const PlannedTensor& tensor) {
  Random random(7, 0);
  std::vector<float> row(static_cast<std::size_t>(tensor.columns), 1.0F);
  if (tensor.matrix) {
    const auto size = static_cast<float>(1 / std::sqrt(static_cast<double>(tensor.columns)));
    for (float& value : row) value = size * static_cast<float>(random.normal());
  }
  std::vector<std::byte> one(row_bytes(tensor.type, tensor.columns));
  encode_row(tensor.type, row, one);
  std::vector<std::byte> all;
  all.reserve(one.size() * static_cast<std::size_t>(tensor.rows));
  for (std::int64_t r = 0; r < tensor.rows; ++r) all.insert(all.end(), one.begin(), one.end());
  return all;
}

void write_model(const std::filesystem::path& path, const Architecture& architecture,
                 const Plan& plan) {
  std::vector<NamedTensor> tensors;
  for (const PlannedTensor& tensor : plan) {
    const bool vector = tensor.rows == 1 && !tensor.matrix;
    tensors.push_back({tensor.name, tensor.type,
                       vector ? Shape{tensor.columns} : Shape{tensor.rows, tensor.columns},
                       [&tensor] { return rows_of(tensor); }});
  }
  write_gguf_model(path, architecture, nullptr, tensors);
}

struct Measured {
  double generation_s = 0, prompt_s = 0, bytes = 0;  // a token; memory without the cache
};

Measured measure(const Architecture& architecture, const Mix& mix, ThreadPool& pool) {
  const TemporaryFile file;
  write_model(file.path(), architecture, plan_mix(mix, architecture, true));
  ::malloc_trim(0);
  const auto before = static_cast<double>(resident_bytes());
  const Checkpoint checkpoint = Checkpoint::open(file.path());
  const Model model(checkpoint, {.threads = pool.size()});
  const SpeedResult speed = measure_speed_of(
      model, pool, {.prompt_tokens = 128, .generation_tokens = 32, .seconds = kRoundSeconds});
  const double positions = 128 + 32;
  const double cache =
      8.0 * positions *
      static_cast<double>(architecture.layers * architecture.kv_heads * architecture.head_dim);
  return {1 / speed.generation_tokens_per_s.value, 1 / speed.prompt_tokens_per_s.value,
          static_cast<double>(speed.peak_bytes) - before - cache};
}

const Mix& mix_of_bits(const Architecture& architecture, double bits) {
  const Mix* best = &find_mix("f16");
  double distance = 1e9;
  for (const char* name : {"f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k"}) {
    const Mix& mix = find_mix(name);
    const double own = 8 * static_cast<double>(total_bytes(plan_mix(mix, architecture, true))) /
                       static_cast<double>(parameter_count(architecture));
    if (std::abs(own - bits) < distance) distance = std::abs(own - bits), best = &mix;
  }
  return *best;
}

}  // namespace

std::optional<Probe> probe(const Architecture& architecture, std::string_view mix, double bits,
                           std::int64_t context, ThreadPool& pool) {
  const auto begin = std::chrono::steady_clock::now();
  try {
    const Mix& types = mix.empty() ? mix_of_bits(architecture, bits) : find_mix(mix);
    const auto bytes = static_cast<double>(total_bytes(plan_mix(types, architecture, true)));
    Architecture part = architecture;
    Probe result;
    Measured all;
    if (bytes <= kWholeBytes || architecture.layers < 3) {
      all = measure(architecture, types, pool);
    } else {
      result.whole = false;
      part.layers = 1;
      const Measured one = measure(part, types, pool);
      part.layers = 2;
      const Measured two = measure(part, types, pool);
      const auto more = static_cast<double>(architecture.layers - 1);
      const auto extend = [&](double a, double b) { return a + more * std::max(b - a, 0.0); };
      all = {extend(one.generation_s, two.generation_s), extend(one.prompt_s, two.prompt_s),
             extend(one.bytes, two.bytes)};
    }
    const std::int64_t positions = std::min(context, architecture.context_length);
    result.generation_tokens_per_s = 1 / all.generation_s;
    result.prompt_tokens_per_s = 1 / all.prompt_s;
    result.memory_bytes =
        all.bytes + 8.0 * static_cast<double>(architecture.layers * architecture.kv_heads *
                                              architecture.head_dim * positions);
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return result;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw;
    return std::nullopt;
  }
}

}  // namespace limbeck::pipeline

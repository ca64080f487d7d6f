#include "limbeck/distill/parameters.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "limbeck/base/error.h"
#include "limbeck/base/f16.h"
#include "limbeck/base/random.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kAlignment = 64;  // elements between tensors that are used apart

// Places of tensors that multiply as one matrix: a lower rank in a group comes first.
int group_rank(std::string_view name) {
  static constexpr std::string_view kParts[] = {".attn_q.", ".attn_k.", ".attn_v.", ".ffn_gate.",
                                                ".ffn_up."};
  for (int i = 0; i < 5; ++i) {
    if (name.find(kParts[i]) != std::string_view::npos) return i;
  }
  return -1;
}

// Weights of a group first, then its biases; everything else where it was.
std::vector<TensorSpec> grouped(std::vector<TensorSpec> specs) {
  for (auto it = specs.begin(); it != specs.end();) {
    auto end = it;
    const auto kind = [](const TensorSpec& s) {
      const int rank = group_rank(s.name);
      return rank < 0 ? -1 : rank < 3 ? 0 : 1;
    };
    while (end != specs.end() && kind(*end) == kind(*it) && kind(*it) >= 0) ++end;
    std::stable_sort(it, end, [](const TensorSpec& a, const TensorSpec& b) {
      return std::pair(a.shape.size() == 1, group_rank(a.name)) <
             std::pair(b.shape.size() == 1, group_rank(b.name));
    });
    it = end == it ? it + 1 : end;
  }
  return specs;
}

bool ends_with(std::string_view text, std::string_view end) { return text.ends_with(end); }

std::vector<std::byte> encode(const float* from, std::int64_t count, TensorType type) {
  const auto n = static_cast<std::size_t>(count);
  if (type == TensorType::f32) {
    std::vector<std::byte> bytes(n * 4);
    std::memcpy(bytes.data(), from, bytes.size());
    return bytes;
  }
  std::vector<std::byte> bytes(n * 2);
  for (std::size_t i = 0; i < n; ++i) {
    Bf16 narrow;
    store(narrow, from[i]);
    const std::uint16_t bits = type == TensorType::f16 ? float_to_f16(from[i]) : narrow.bits;
    std::memcpy(bytes.data() + 2 * i, &bits, 2);
  }
  return bytes;
}

}  // namespace

Parameters::Parameters(const Architecture& architecture, const ParameterOptions& options)
    : Parameters(architecture, tensor_specs(architecture), options) {}

Parameters::Parameters(const Architecture& architecture, std::vector<TensorSpec> specs,
                       const ParameterOptions& options)
    : architecture_(architecture), options_(options) {
  check(architecture, "model");
  std::int64_t offset = 0;
  for (auto& spec : grouped(std::move(specs))) {
    ParameterSlot slot{std::move(spec.name), std::move(spec.shape), 0, 1};
    for (const auto size : slot.shape) slot.count *= size;
    const int rank = group_rank(slot.name);
    const bool joins = rank > 0 && rank != 3 && !slots_.empty() &&
                       group_rank(slots_.back().name) == rank - 1 &&
                       slots_.back().shape.size() == slot.shape.size();
    if (!joins) offset = (offset + kAlignment - 1) / kAlignment * kAlignment;
    slot.offset = offset;
    offset += slot.count;
    index_[slot.name] = slots_.size();
    slots_.push_back(std::move(slot));
  }
  const auto flat = at::dtype(options.type).device(options.device);
  value = at::zeros({offset}, flat);
  forward = options.apart ? at::zeros({offset}, flat) : value;
  compute =
      options.compute == options.type ? forward : at::zeros({offset}, flat.dtype(options.compute));
  if (options.trainable) grad = at::zeros({offset}, flat);
}

void Parameters::load(const Checkpoint& checkpoint) {
  at::NoGradGuard no_grad;
  for (const auto& slot : slots_) {
    if (slot.name.starts_with(kTrainingOnly)) continue;
    const auto floats = checkpoint.floats(slot.name);
    if (static_cast<std::int64_t>(floats.size()) != slot.count) {
      fail(ErrorKind::format, "{}: tensor '{}' has {} weights, the model needs {}",
           checkpoint.path().string(), slot.name, floats.size(), slot.count);
    }
    const auto view = at::from_blob(const_cast<float*>(floats.data()), {slot.count}, at::kFloat);
    value.narrow(0, slot.offset, slot.count).copy_(view);
  }
  update_compute();
}

void Parameters::randomize(std::uint64_t seed) {
  at::NoGradGuard no_grad;
  const double residual = 0.02 / std::sqrt(2.0 * static_cast<double>(architecture_.layers));
  std::vector<float> numbers;
  for (std::size_t s = 0; s < slots_.size(); ++s) {
    const auto& slot = slots_[s];
    auto view = value.narrow(0, slot.offset, slot.count);
    if (ends_with(slot.name, ".bias") || slot.name.starts_with(kTrainingOnly)) continue;
    if (!slot.matrix()) {
      view.fill_(architecture_.norm == NormKind::rms_plus_one ? 0 : 1);
      continue;
    }
    const bool adds =
        ends_with(slot.name, "attn_output.weight") || ends_with(slot.name, "ffn_down.weight");
    Random random(seed, s);
    numbers.resize(static_cast<std::size_t>(slot.count));
    for (auto& x : numbers) x = static_cast<float>(random.normal() * (adds ? residual : 0.02));
    view.copy_(at::from_blob(numbers.data(), {slot.count}, at::kFloat));
  }
  update_compute();
}

void Parameters::update_compute() {
  at::NoGradGuard no_grad;
  if (rounding) {
    rounding(value, forward);
  } else if (!forward.is_same(value)) {
    forward.copy_(value);
  }
  if (!compute.is_same(forward)) compute.copy_(forward);
}

at::Tensor Parameters::rounded(const at::Tensor& flat) const {
  if (!rounding) return flat;
  at::NoGradGuard no_grad;
  auto out = at::empty_like(flat);
  rounding(flat, out);
  return out;
}

const ParameterSlot* Parameters::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &slots_[found->second];
}

Parameter Parameters::get(std::span<const std::string_view> neighbours) const {
  const ParameterSlot* first = find(neighbours.front());
  if (!first) return {};
  Shape shape = first->shape;
  std::int64_t count = first->count;
  for (const auto& name : neighbours.subspan(1)) {
    const ParameterSlot* next = find(name);
    LIMBECK_ASSERT(next && next->offset == first->offset + count);
    shape[0] += next->shape[0];
    count += next->count;
  }
  const auto view = [&](const at::Tensor& flat) {
    return flat.defined() ? flat.narrow(0, first->offset, count).view(shape) : flat;
  };
  const bool narrow_vector = shape.size() == 1 && value.scalar_type() == at::kBFloat16;
  return {narrow_vector ? view(forward).to(at::kFloat) : view(forward), view(compute), view(grad)};
}

std::vector<NamedTensor> Parameters::tensors(TensorType type, const at::Tensor& flat) const {
  std::vector<NamedTensor> out;
  for (const auto& spec : tensor_specs(architecture_)) {
    const ParameterSlot& slot = slots_[index_.at(spec.name)];
    out.push_back({slot.name, type, slot.shape, [flat, type, offset = slot.offset, n = slot.count] {
                     const auto part =
                         flat.narrow(0, offset, n).to(at::kCPU, at::kFloat).contiguous();
                     return encode(elements<float>(part), n, type);
                   }});
  }
  return out;
}

}  // namespace limbeck::distill

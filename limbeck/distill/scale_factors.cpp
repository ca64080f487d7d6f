#include "limbeck/distill/scale_factors.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "limbeck/base/error.h"
#include "limbeck/codec/scale_fields.h"

namespace limbeck::distill {
namespace {

constexpr float kLargestFactor = 0.5f;  // a scale keeps its sign and its order of magnitude

template <typename F>
void for_rows(const BlockScales& scales, const F& f) {
  const auto grain = std::max<std::int64_t>(1, (1 << 14) / scales.columns());
  at::parallel_for(0, scales.rows(), grain, f);
}

}  // namespace

ScaleFactors::ScaleFactors(const Checkpoint& rounded, std::shared_ptr<Parameters> student,
                           bool vectors)
    : student_(std::move(student)) {
  for (const ParameterSlot& slot : student_->slots()) add(slot, rounded, vectors);
  if (std::ranges::none_of(trained_,
                           [](const Trained& tensor) { return tensor.scales.has_value(); })) {
    fail_try(ErrorKind::usage, "leave --heal out, or name a type with block scales, such as q4_k_m",
             "none of the rounded model's tensors has scales to train");
  }
  for (auto* of : {&values, &gradient_, &first, &second}) of->assign(n_factors_, 0);
}

void ScaleFactors::add(const ParameterSlot& slot, const Checkpoint& rounded, bool vectors) {
  Trained tensor{slot.name, slot.offset, slot.count, n_factors_, 0, {}, {}, 0};
  if (slot.matrix()) {
    const Weight weight = rounded.at(slot.name);
    if (scale_fields(weight.type).empty()) return;
    tensor.scales.emplace(weight.type, weight.rows, weight.columns, weight.bytes);
    tensor.factors = static_cast<std::size_t>(tensor.scales->factors());
  } else {
    if (!vectors) return;
    tensor.stored = rounded.floats(slot.name);
    tensor.factors = tensor.stored.size();
    const bool plus_one = rounded.architecture().norm == NormKind::rms_plus_one;
    tensor.shift = plus_one && slot.name.ends_with("norm.weight") ? 1 : 0;
  }
  n_factors_ += tensor.factors;
  trained_.push_back(std::move(tensor));
}

void ScaleFactors::apply() {
  at::NoGradGuard no_grad;
  for (const Trained& tensor : trained_) {
    const auto weights = at::empty({tensor.count}, at::kFloat);
    if (tensor.scales) {
      for_rows(*tensor.scales, [&](std::int64_t begin, std::int64_t end) {
        tensor.scales->decode(own(tensor), begin, end, elements<float>(weights));
      });
    } else {
      std::memcpy(weights.data_ptr(), scaled_vector(tensor).data(), weights.nbytes());
    }
    student_->value.narrow(0, tensor.offset, tensor.count).copy_(weights);
  }
  student_->update_compute();
}

void ScaleFactors::take_gradient() {
  at::NoGradGuard no_grad;
  for (const Trained& tensor : trained_) {
    const auto of_weights = student_->grad.narrow(0, tensor.offset, tensor.count).to(at::kCPU);
    const float* g = elements<float>(of_weights);
    const auto gradient = std::span(gradient_).subspan(tensor.first, tensor.factors);
    if (tensor.scales) {
      for_rows(*tensor.scales, [&](std::int64_t begin, std::int64_t end) {
        tensor.scales->gradient(g, begin, end, gradient);
      });
    } else {
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        gradient[i] = g[i] * (tensor.stored[i] + tensor.shift);
      }
    }
  }
  student_->grad.zero_();
}

void ScaleFactors::descend(double rate, std::int64_t step) {
  constexpr double kBeta1 = 0.9, kBeta2 = 0.95, kEpsilon = 1e-12;
  const double t = static_cast<double>(step);
  const double correction1 = 1 / (1 - std::pow(kBeta1, t));
  const double correction2 = 1 / (1 - std::pow(kBeta2, t));
  for (std::size_t i = 0; i < n_factors_; ++i) {
    const double g = gradient_[i];
    const double m = kBeta1 * first[i] + (1 - kBeta1) * g;
    const double v = kBeta2 * second[i] + (1 - kBeta2) * g * g;
    first[i] = static_cast<float>(m);
    second[i] = static_cast<float>(v);
    const double by = rate * (m * correction1) / (std::sqrt(v * correction2) + kEpsilon);
    values[i] = std::clamp(values[i] - static_cast<float>(by), -kLargestFactor, kLargestFactor);
  }
}

std::map<std::string, std::vector<std::byte>> ScaleFactors::bytes() const {
  std::map<std::string, std::vector<std::byte>> all;
  for (const Trained& tensor : trained_) all[tensor.name] = bytes_of(tensor);
  return all;
}

std::vector<float> ScaleFactors::scaled_vector(const Trained& tensor) const {
  std::vector<float> scaled(tensor.stored.size());
  const auto factors = own(tensor);
  for (std::size_t i = 0; i < scaled.size(); ++i) {
    scaled[i] = tensor.stored[i] + (tensor.stored[i] + tensor.shift) * factors[i];
  }
  return scaled;
}

std::vector<std::byte> ScaleFactors::bytes_of(const Trained& tensor) const {
  if (!tensor.scales) {
    const auto scaled = scaled_vector(tensor);
    const auto bytes = std::as_bytes(std::span(scaled));
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::byte> bytes(tensor.scales->stored_bytes());
  tensor.scales->encode(own(tensor), 0, tensor.scales->rows(), bytes);
  return bytes;
}

}  // namespace limbeck::distill

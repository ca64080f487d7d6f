#include "limbeck/distill/weight_grid.h"

#include <algorithm>
#include <mutex>

#include "limbeck/base/error.h"
#include "limbeck/codec/codec.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kPiece = 1 << 14;  // weights a thread takes at once

}  // namespace

WeightGrid::WeightGrid(const Parameters& parameters, const Mix& mix) {
  for (const ParameterSlot& slot : parameters.slots()) {
    if (!slot.matrix() || slot.name.starts_with(kTrainingOnly)) continue;
    const TensorType type = type_in_mix(mix, parameters.architecture(), slot.name, slot.shape[1],
                                        /*has_importance=*/false);
    if (type == TensorType::f32) continue;
    matrices_.push_back({slot.name, type, slot.offset, slot.shape[0], slot.shape[1]});
  }
  const bool any = std::any_of(matrices_.begin(), matrices_.end(),
                               [](const Matrix& matrix) { return is_quantized(matrix.type); });
  if (!any) {
    fail_try(ErrorKind::usage, "make its widths multiples of 32",
             "quantize: no row of this model divides into blocks of {}", mix.name);
  }
}

void WeightGrid::round(const at::Tensor& from, const at::Tensor& to) const {
  at::NoGradGuard no_grad;
  to.copy_(from);
  const auto host = to.to(at::kCPU);  // `to` itself on a CPU
  std::mutex mutex;
  std::exception_ptr error;
  for (const Matrix& matrix : matrices_) {
    const auto grain = std::max<std::int64_t>(1, kPiece / matrix.columns);
    at::parallel_for(0, matrix.rows, grain, [&](std::int64_t begin, std::int64_t end) {
      std::vector<std::byte> bytes(row_bytes(matrix.type, matrix.columns));
      const auto columns = static_cast<std::size_t>(matrix.columns);
      try {
        for (auto row = begin; row < end; ++row) {
          const std::span weights(elements<float>(host) + matrix.offset + row * matrix.columns,
                                  columns);
          encode_row(matrix.type, weights, bytes);
          decode_row(matrix.type, bytes, weights);
        }
      } catch (...) {  // must not leave a thread of OpenMP's
        const std::lock_guard lock(mutex);
        error = std::current_exception();
      }
    });
    if (!error) continue;
    try {
      std::rethrow_exception(error);
    } catch (Error& e) {
      fail(e.kind(), "tensor '{}': {}", matrix.name, e.what());
    }
  }
  if (!host.is_same(to)) to.copy_(host);
}

}  // namespace limbeck::distill

#include "limbeck/quantize/row_state.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "limbeck/base/f16.h"
#include "limbeck/codec/codec.h"
#include "limbeck/codec/scale_search.h"
#include "limbeck/quantize/dense.h"

namespace limbeck {
namespace {}  // namespace

RowState::RowState(const GridFormat& format, const SolverMatrices& matrices,
                   std::span<const float> weights)
    : RowForm(matrices, weights),
      format_(format),
      size_(static_cast<std::size_t>(format.weights)),
      group_(static_cast<std::size_t>(format.group)),
      blocks_(rows_ * (n_ / size_)) {}

void RowState::choose_scales(std::size_t row, std::size_t b, const float* weights,
                             const float* importance) {
  std::array<std::byte, 256> bytes;  // no block is larger
  const std::span<std::byte> stored(bytes.data(), info(format_.type).block_bytes);
  encode_row(format_.type, {weights, size_}, stored, {importance, size_});
  unpack_block(format_, stored.data(), block(row, b));
}

int RowState::nearest_code(float d, float min, float weight) const noexcept {
  if (d == 0.0f) return 0;
  const float level = (weight + min) / d;
  if (!format_.levels) {
    // Q8_0's code 0 stands for -128, which fast kernels cannot negate: never made.
    const int lowest = format_.codes == 256 ? 1 : 0;
    const float limited = std::clamp(level, -512.0f, 512.0f);
    return codec::clamp(codec::nearest(limited) + format_.zero, lowest, format_.codes - 1);
  }
  int best = 0;
  float distance = std::fabs(level - static_cast<float>(format_.levels[0]));
  for (int code = 1; code < format_.codes; ++code) {
    const float other = std::fabs(level - static_cast<float>(format_.levels[code]));
    if (other < distance) {
      distance = other;
      best = code;
    }
  }
  return best;
}

float RowState::value(const UnpackedBlock& block, std::size_t i) const noexcept {
  const std::size_t j = i / group_;
  const float d = block.d * static_cast<float>(block.scales[j]);
  const float scaled = d * static_cast<float>(format_.level(block.codes[i]));
  return format_.has_min ? scaled - block.dmin * static_cast<float>(block.mins[j]) : scaled;
}

void RowState::refresh_values(std::size_t row, std::size_t b) {
  block_weights(format_, block(row, b), q_.data() + row * n_ + b * size_);
}

void RowState::round_plainly() {
  const std::vector<float> importance = plain_importance();
  const std::size_t bytes_per_row = row_bytes(format_.type, static_cast<std::int64_t>(n_));
  const std::size_t block_bytes = info(format_.type).block_bytes;
  std::vector<std::byte> bytes(bytes_per_row);
  for (std::size_t row = 0; row < rows_; ++row) {
    encode_row(format_.type, w_.subspan(row * n_, n_), bytes, importance);
    for (std::size_t b = 0; b < n_blocks(); ++b) {
      unpack_block(format_, bytes.data() + b * block_bytes, block(row, b));
      refresh_values(row, b);
    }
  }
}

void RowState::round_with_feedback() {
  std::vector<float> work(w_.begin(), w_.end()), errors(rows_ * size_);
  const std::vector<float> importance = late_importance();
  for (std::size_t b = 0; b < n_blocks(); ++b) {
    const std::size_t first = b * size_, last = first + size_;
    for (std::size_t row = 0; row < rows_; ++row) {
      float* w = work.data() + row * n_;
      choose_scales(row, b, w + first, importance.data() + first);
      UnpackedBlock& chosen = block(row, b);
      for (std::size_t j = first; j < last; ++j) {
        const std::size_t i = j - first, group = i / group_;
        const float d = chosen.d * static_cast<float>(chosen.scales[group]);
        const float min = chosen.dmin * static_cast<float>(chosen.mins[group]);
        chosen.codes[i] = static_cast<std::uint8_t>(nearest_code(d, min, w[j]));
        const float rounded = value(chosen, i);
        q_[row * n_ + j] = rounded;
        const float* u = m_.u.data() + j * n_;
        const float error = (rounded - w[j]) / u[j];
        errors[row * size_ + i] = error;
        add_scaled(error, u + j + 1, w + j + 1, last - j - 1);
      }
    }
    const Product passed_on{errors.data(), size_, 1, m_.u.data() + first * n_, n_, size_};
    add_product(passed_on, work.data(), n_, rows_, last, n_);
  }
}

std::size_t RowState::descend_codes() {
  std::size_t changed = 0;
  for (std::size_t row = 0; row < rows_; ++row) {
    float *q = q_.data() + row * n_, *g = g_.data() + row * n_;
    for (std::size_t b = 0; b < n_blocks(); ++b) {
      UnpackedBlock& at = block(row, b);
      for (std::size_t i = 0; i < size_; ++i) {
        const std::size_t j = b * size_ + i, group = i / group_;
        const float d = at.d * static_cast<float>(at.scales[group]);
        if (d == 0.0f) continue;
        const float min = at.dmin * static_cast<float>(at.mins[group]);
        const float* h = m_.h.data() + j * n_;
        const int code = nearest_code(d, min, q[j] - g[j] / h[j]);
        if (code == at.codes[i]) continue;
        at.codes[i] = static_cast<std::uint8_t>(code);
        const float rounded = value(at, i), step = rounded - q[j];
        q[j] = rounded;
        add_scaled(step, h, g, n_);
        ++changed;
      }
    }
  }
  return changed;
}

void RowState::refit_block_scales() {
  std::vector<float> steps(rows_ * size_), along_d(size_), along_min(size_), h_d(size_),
      h_min(size_), before(size_);
  for (std::size_t b = 0; b < n_blocks(); ++b) {
    const std::size_t first = b * size_;
    for (std::size_t row = 0; row < rows_; ++row) {
      UnpackedBlock& at = block(row, b);
      for (std::size_t i = 0; i < size_; ++i) {
        const std::size_t group = i / group_;
        along_d[i] = static_cast<float>(at.scales[group] * format_.level(at.codes[i]));
        along_min[i] = -static_cast<float>(at.mins[group]);
      }
      for (std::size_t i = 0; i < size_; ++i) {
        const float* h = m_.h.data() + (first + i) * n_ + first;
        h_d[i] = dot(h, along_d.data(), size_);
        h_min[i] = format_.has_min ? dot(h, along_min.data(), size_) : 0.0f;
      }
      const float* g = g_.data() + row * n_ + first;
      const auto product = [&](const float* x, const float* y) { return double{dot(x, y, size_)}; };
      const double dd = product(along_d.data(), h_d.data());
      const double dm = product(along_d.data(), h_min.data());
      const double mm = product(along_min.data(), h_min.data());
      const double gd = product(along_d.data(), g), gm = product(along_min.data(), g);
      const double determinant = dd * mm - dm * dm;
      double step_d = dd > 0 ? -gd / dd : 0, step_min = 0;
      if (format_.has_min && determinant > 1e-9 * dd * mm) {
        step_d = (-gd * mm + gm * dm) / determinant;
        step_min = (-gm * dd + gd * dm) / determinant;
      }
      const float d = round_to_f16(at.d + static_cast<float>(step_d));
      const float dmin =
          format_.has_min ? round_to_f16(at.dmin + static_cast<float>(step_min)) : at.dmin;
      const double a = double{d} - double{at.d}, c = double{dmin} - double{at.dmin};
      const double gain = a * gd + c * gm + 0.5 * (a * a * dd + 2 * a * c * dm + c * c * mm);
      float* step = steps.data() + row * size_;
      std::fill_n(step, size_, 0.0f);
      if (!(gain < 0) || !std::isfinite(d) || !std::isfinite(dmin)) continue;
      float* q = q_.data() + row * n_ + first;
      std::copy_n(q, size_, before.begin());
      at.d = d;
      at.dmin = dmin;
      refresh_values(row, b);
      for (std::size_t i = 0; i < size_; ++i) step[i] = q[i] - before[i];
    }
    add_product({steps.data(), size_, 1, m_.h.data() + first * n_, n_, size_}, g_.data(), n_, rows_,
                0, n_);
  }
}

// The best whole step of one sub-scale (or sub-min) along the quadratic form, if there is one.
void RowState::step_group(std::size_t row, std::size_t b, std::size_t group, bool of_min) {
  UnpackedBlock& at = block(row, b);
  const std::size_t first = group * group_, column = b * size_ + first;
  std::array<float, 32> along;
  for (std::size_t i = 0; i < group_; ++i) {
    along[i] = of_min ? -at.dmin : at.d * static_cast<float>(format_.level(at.codes[first + i]));
  }
  double curvature = 0, slope = 0;
  for (std::size_t i = 0; i < group_; ++i) {
    const float* h = m_.h.data() + (column + i) * n_ + column;
    curvature += double{along[i]} * double{dot(h, along.data(), group_)};
    slope += double{along[i]} * double{g_[row * n_ + column + i]};
  }
  if (!(curvature > 0)) return;
  std::int16_t& field = of_min ? at.mins[group] : at.scales[group];
  const int low = of_min ? 0 : format_.scale_low;
  const int high = of_min ? format_.min_high : format_.scale_high;
  const double wanted = std::clamp(-slope / curvature, -64.0, 64.0);
  const int to = std::clamp(field + static_cast<int>(std::lround(wanted)), low, high);
  if (to == field) return;
  field = static_cast<std::int16_t>(to);
  float* q = q_.data() + row * n_ + column;
  for (std::size_t i = 0; i < group_; ++i) {
    const float rounded = value(at, first + i), step = rounded - q[i];
    q[i] = rounded;
    add_scaled(step, m_.h.data() + (column + i) * n_, g_.data() + row * n_, n_);
  }
}

void RowState::refit_group_scales() {
  if (format_.scale_low == format_.scale_high) return;
  for (std::size_t row = 0; row < rows_; ++row) {
    for (std::size_t b = 0; b < n_blocks(); ++b) {
      for (std::size_t group = 0; group < size_ / group_; ++group) {
        step_group(row, b, group, false);
        if (format_.has_min) step_group(row, b, group, true);
      }
    }
  }
}

void RowState::store(std::size_t row, std::span<std::byte> bytes) const {
  const std::size_t block_bytes = info(format_.type).block_bytes;
  for (std::size_t b = 0; b < n_blocks(); ++b) {
    pack_block(format_, blocks_[row * n_blocks() + b], bytes.data() + b * block_bytes);
  }
}

void RowState::take_row(const RowState& other, std::size_t row) {
  const auto first = static_cast<std::ptrdiff_t>(row * n_blocks());
  std::copy_n(other.blocks_.begin() + first, n_blocks(), blocks_.begin() + first);
  take_form(other, row);
}

}  // namespace limbeck

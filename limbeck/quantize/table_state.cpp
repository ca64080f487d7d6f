#include "limbeck/quantize/table_state.h"

#include <algorithm>
#include <cmath>

#include "limbeck/base/f16.h"
#include "limbeck/codec/codec.h"
#include "limbeck/quantize/dense.h"

namespace limbeck {
namespace {

constexpr std::size_t kTries = 6;  // of flips, where errors are passed on; later one will do

// A code is given up only for what is clearly better: sums in float are good to some 1e-6.
constexpr float kClearly = 1e-5f;

// (U U^T)^-1 of the n by n block at `u`, upper triangular, rows of `stride`.
void late_form(const float* u, std::size_t stride, std::size_t n, float* out) {
  double inverse[8][8] = {};
  for (std::size_t j = 0; j < n; ++j) {
    inverse[j][j] = 1 / double{u[j * stride + j]};
    for (std::size_t i = j; i-- > 0;) {
      double sum = 0;
      for (std::size_t k = i + 1; k <= j; ++k) sum += double{u[i * stride + k]} * inverse[k][j];
      inverse[i][j] = -sum / double{u[i * stride + i]};
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::size_t k = std::max(i, j); k < n; ++k) sum += inverse[i][k] * inverse[j][k];
      out[i * n + j] = static_cast<float>(sum);
    }
  }
}

unsigned signs_of(const float* values, std::size_t n) {
  unsigned signs = 0;
  for (std::size_t i = 0; i < n; ++i) signs |= (values[i] < 0 ? 1u : 0u) << i;
  return signs;
}

void multiply(const float* s, const float* x, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = 0;
    for (std::size_t j = 0; j < n; ++j) out[i] += s[i * n + j] * x[j];
  }
}

}  // namespace

TableForms::TableForms(const TableFormat& table, const SolverMatrices& matrices)
    : format(table), search(table), late(matrices.n * table.dims) {
  for (std::size_t j = 0; j < matrices.n; j += table.dims) {
    late_form(matrices.u.data() + j * matrices.n + j, matrices.n, table.dims,
              late.data() + j * table.dims);
  }
}

// A unit as rounded: its errors are those that are passed on.
struct TableState::Unit {
  std::uint16_t entries[2] = {};
  std::uint8_t signs = 0;
  float q[kUnit] = {}, errors[kUnit] = {}, cost = 0;
};

// A group of one scale, for trying other codes on.
struct TableState::Window {
  std::size_t column = 0;
  float q[32], g[32];
  std::uint16_t entries[8];
  std::uint8_t signs[4];
};

TableState::TableState(const TableForms& forms, const SolverMatrices& matrices,
                       std::span<const float> weights)
    : RowForm(matrices, weights), forms_(forms), blocks_(rows_ * (n_ / kSize)) {}

std::span<const TableState::Parities> TableState::parities() const noexcept {
  using enum Parity;
  static constexpr Parities kFree[] = {{any, any}};
  static constexpr Parities kEven[] = {{even, even}, {odd, odd}};
  if (!forms_.format.even_signs) return kFree;
  return std::span(kEven).first(parts());
}

void TableState::choose_scales(std::size_t row, std::size_t b, const float* weights,
                               const float* importance) {
  std::array<std::byte, kSize> bytes;  // no block is larger
  const TensorType type = forms_.format.type;
  const std::span<std::byte> stored(bytes.data(), info(type).block_bytes);
  encode_row(type, {weights, kSize}, stored, {importance, kSize});
  unpack_block(forms_.format, stored.data(), block(row, b));
}

void TableState::round_plainly() {
  const std::vector<float> importance = plain_importance();
  for (std::size_t row = 0; row < rows_; ++row) {
    for (std::size_t b = 0; b < n_blocks(); ++b) {
      const std::size_t first = row * n_ + b * kSize;
      choose_scales(row, b, w_.data() + first, importance.data() + b * kSize);
      block_weights(forms_.format, block(row, b), q_.data() + first);
    }
  }
}

TableState::Unit TableState::round_unit(const float* w, std::size_t column, float step,
                                        const Parities& parities) const {
  const std::size_t dims = forms_.format.dims;
  const EntrySearch& search = forms_.search;
  Unit unit;
  float left[kUnit], b[kUnit] = {};
  std::copy_n(w, kUnit, left);
  for (std::size_t part = 0; part < parts(); ++part) {
    const std::size_t first = part * dims, j = column + first;
    const float* s = forms_.late.data() + j * dims;
    const float* u = m_.u.data() + j * n_ + j;
    if (step != 0) {
      multiply(s, left + first, dims, b);
      const unsigned plain = signs_of(left + first, dims) ^ (step < 0 ? (1u << dims) - 1 : 0u);
      const unsigned in_turn = search.signs_in_turn(u, n_, left + first, step);
      FoundEntry found = search.best(s, b, step, in_turn, parities[part], kTries);
      if (plain != in_turn) {
        const FoundEntry other = search.best(s, b, step, plain, parities[part], kTries);
        if (other.cost < found.cost) found = other;
      }
      unit.entries[part] = found.entry;
      unit.signs = static_cast<std::uint8_t>(unit.signs | found.signs << first);
      search.values(step, found.entry, found.signs, unit.q + first);
    }
    for (std::size_t i = first; i < first + dims; ++i) {
      const float* passed = m_.u.data() + (column + i) * n_ + column;
      const float error = (unit.q[i] - left[i]) / passed[i];
      unit.errors[i] = error;
      unit.cost += error * error;
      for (std::size_t k = i + 1; k < kUnit; ++k) left[k] += error * passed[k];
    }
  }
  return unit;
}

TableState::Unit TableState::round_unit(const float* w, std::size_t column, float step) const {
  Unit best;
  bool first = true;
  for (const Parities& tried : parities()) {
    const Unit unit = round_unit(w, column, step, tried);
    if (first || unit.cost < best.cost) best = unit;
    first = false;
  }
  return best;
}

void TableState::round_with_feedback() {
  std::vector<float> work(w_.begin(), w_.end()), errors(rows_ * kSize);
  const std::vector<float> importance = late_importance();
  const TableFormat& format = forms_.format;
  for (std::size_t b = 0; b < n_blocks(); ++b) {
    const std::size_t first = b * kSize, last = first + kSize;
    for (std::size_t row = 0; row < rows_; ++row) {
      float* w = work.data() + row * n_;
      choose_scales(row, b, w + first, importance.data() + first);
      TableBlock& chosen = block(row, b);
      for (std::size_t i = 0; i < kSize; i += kUnit) {
        const std::size_t j = first + i, next = j + kUnit;
        const float step = format.step(chosen.d, chosen.scales[i / format.scale_group]);
        const Unit unit = round_unit(w + j, j, step);
        std::copy_n(unit.entries, parts(), chosen.entries.begin() + i / format.dims);
        chosen.signs[i / kUnit] = unit.signs;
        std::copy_n(unit.q, kUnit, q_.data() + row * n_ + j);
        std::copy_n(unit.errors, kUnit, errors.data() + row * kSize + i);
        for (std::size_t k = 0; k < kUnit; ++k) {
          add_scaled(unit.errors[k], m_.u.data() + (j + k) * n_ + next, w + next, last - next);
        }
      }
    }
    const Product passed_on{errors.data(), kSize, 1, m_.u.data() + first * n_, n_, kSize};
    add_product(passed_on, work.data(), n_, rows_, last, n_);
  }
}

TableState::Window TableState::window(std::size_t row, std::size_t b, std::size_t group) {
  const TableFormat& format = forms_.format;
  const std::size_t size = format.scale_group, first = group * size;
  const TableBlock& from = block(row, b);
  Window at;
  at.column = b * kSize + first;
  std::copy_n(q_.data() + row * n_ + at.column, size, at.q);
  std::copy_n(g_.data() + row * n_ + at.column, size, at.g);
  std::copy_n(from.entries.data() + first / format.dims, size / format.dims, at.entries);
  std::copy_n(from.signs.data() + first / kUnit, size / kUnit, at.signs);
  return at;
}

// The best code of one part at this step; what that adds to the form.
float TableState::search_part(Window& at, std::size_t first, float step, Parity parity) const {
  const std::size_t dims = forms_.format.dims, size = forms_.format.scale_group;
  const EntrySearch& search = forms_.search;
  const float* h = m_.h.data() + (at.column + first) * n_ + at.column;  // row of the part's first
  float s[64] = {}, b[8] = {}, wanted[8] = {}, product[8] = {}, before = 0;
  float *q = at.q + first, *g = at.g + first;
  for (std::size_t i = 0; i < dims; ++i) std::copy_n(h + i * n_ + first, dims, s + i * dims);
  multiply(s, q, dims, product);
  for (std::size_t i = 0; i < dims; ++i) {
    b[i] = product[i] - g[i];
    before += q[i] * (product[i] - 2 * b[i]);
    wanted[i] = (q[i] - g[i] / s[i * dims + i]) * step;
  }
  std::uint8_t& byte = at.signs[first / kUnit];
  std::uint16_t& entry = at.entries[first / dims];
  const unsigned shift = first % kUnit, mask = (1u << dims) - 1;
  const unsigned now = byte >> shift & mask, alone = signs_of(wanted, dims);
  FoundEntry found = search.best(s, b, step, now, parity, 1);
  if (alone != now) {
    const FoundEntry other = search.best(s, b, step, alone, parity, 1);
    if (other.cost < found.cost) found = other;
  }
  if (allowed(now, parity)) {
    const float kept = search.cost(s, b, step, entry, now);
    if (!(found.cost < kept - kClearly * std::fabs(kept))) {
      found = {entry, static_cast<std::uint8_t>(now), kept};
    }
  }
  entry = found.entry;
  byte = static_cast<std::uint8_t>((byte & ~(mask << shift)) | unsigned{found.signs} << shift);
  float after[8];
  search.values(step, found.entry, found.signs, after);
  for (std::size_t i = 0; i < dims; ++i) {
    const float change = after[i] - q[i];
    q[i] = after[i];
    if (change != 0) add_scaled(change, h + i * n_, at.g, size);
  }
  return found.cost - before;
}

// The same for all parts of a group, one after the other.
float TableState::search_window(Window& at, float step) const {
  const std::size_t dims = forms_.format.dims, size = forms_.format.scale_group;
  float change = 0;
  for (std::size_t first = 0; first < size; first += kUnit) {
    Window best = at;
    float least = 0;
    bool none = true;
    for (const Parities& tried : parities()) {
      Window other = at;
      float sum = 0;
      for (std::size_t part = 0; part < parts(); ++part) {
        sum += search_part(other, first + part * dims, step, tried[part]);
      }
      if (none || sum < least) {
        least = sum;
        best = other;
      }
      none = false;
    }
    at = best;
    change += least;
  }
  return change;
}

std::size_t TableState::put_window(const Window& at, std::size_t row, std::size_t b,
                                   std::size_t group) {
  const TableFormat& format = forms_.format;
  const std::size_t size = format.scale_group, first = group * size;
  TableBlock& to = block(row, b);
  float *q = q_.data() + row * n_, *g = g_.data() + row * n_;
  std::size_t changed = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t j = at.column + i;
    if (at.q[i] == q[j]) continue;
    add_scaled(at.q[i] - q[j], m_.h.data() + j * n_, g, n_);
    q[j] = at.q[i];
    ++changed;
  }
  std::copy_n(at.entries, size / format.dims, to.entries.data() + first / format.dims);
  std::copy_n(at.signs, size / kUnit, to.signs.data() + first / kUnit);
  return changed;
}

std::size_t TableState::descend_codes() {
  const TableFormat& format = forms_.format;
  std::size_t changed = 0;
  for (std::size_t row = 0; row < rows_; ++row) {
    for (std::size_t b = 0; b < n_blocks(); ++b) {
      for (std::size_t group = 0; group < format.groups(); ++group) {
        const float step = format.step(block(row, b).d, block(row, b).scales[group]);
        if (step == 0) continue;
        Window at = window(row, b, group);
        if (search_window(at, step) < 0) changed += put_window(at, row, b, group);
      }
    }
  }
  return changed;
}

void TableState::refit_group_scales() {
  const TableFormat& format = forms_.format;
  for (std::size_t row = 0; row < rows_; ++row) {
    for (std::size_t b = 0; b < n_blocks(); ++b) {
      TableBlock& at = block(row, b);
      if (at.d == 0) continue;
      for (std::size_t group = 0; group < format.groups(); ++group) {
        const int scale = at.scales[group];
        float least = 0;
        for (const int other : {scale - 1, scale + 1}) {
          if (other < 0 || other > 15) continue;
          Window tried = window(row, b, group);
          // Before anything is put: what the window was loaded from must be what it is changed in.
          const float change =
              search_window(tried, format.step(at.d, static_cast<unsigned>(other)));
          if (!(change < least)) continue;
          least = change;
          at.scales[group] = static_cast<std::uint8_t>(other);
          put_window(tried, row, b, group);
          break;
        }
      }
    }
  }
}

void TableState::refit_block_scales() {
  std::vector<float> steps(rows_ * kSize), along(kSize), product(kSize);
  for (std::size_t b = 0; b < n_blocks(); ++b) {
    const std::size_t first = b * kSize;
    for (std::size_t row = 0; row < rows_; ++row) {
      TableBlock& at = block(row, b);
      float* step = steps.data() + row * kSize;
      std::fill_n(step, kSize, 0.0f);
      if (at.d == 0) continue;
      TableBlock unit = at;
      unit.d = 1;
      block_weights(forms_.format, unit, along.data());
      for (std::size_t i = 0; i < kSize; ++i) {
        product[i] = dot(m_.h.data() + (first + i) * n_ + first, along.data(), kSize);
      }
      const double curvature = dot(along.data(), product.data(), kSize);
      const double slope = dot(along.data(), g_.data() + row * n_ + first, kSize);
      if (!(curvature > 0)) continue;
      const float d = round_to_f16(at.d - static_cast<float>(slope / curvature));
      const double change = double{d} - double{at.d};
      const double gain = change * slope + 0.5 * change * change * curvature;
      if (!(gain < 0) || !std::isfinite(d)) continue;
      at.d = d;
      float* q = q_.data() + row * n_ + first;
      std::copy_n(q, kSize, along.begin());
      block_weights(forms_.format, at, q);
      for (std::size_t i = 0; i < kSize; ++i) step[i] = q[i] - along[i];
    }
    add_product({steps.data(), kSize, 1, m_.h.data() + first * n_, n_, kSize}, g_.data(), n_, rows_,
                0, n_);
  }
}

void TableState::store(std::size_t row, std::span<std::byte> bytes) const {
  const std::size_t block_bytes = info(forms_.format.type).block_bytes;
  for (std::size_t b = 0; b < n_blocks(); ++b) {
    pack_block(forms_.format, blocks_[row * n_blocks() + b], bytes.data() + b * block_bytes);
  }
}

void TableState::take_row(const TableState& other, std::size_t row) {
  const auto first = static_cast<std::ptrdiff_t>(row * n_blocks());
  std::copy_n(other.blocks_.begin() + first, n_blocks(), blocks_.begin() + first);
  take_form(other, row);
}

}  // namespace limbeck

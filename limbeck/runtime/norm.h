// The pieces between the matrix products: norms, rotary positions, activations, one row at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/kernels/kernel_table.h"
#include "limbeck/model/rope.h"
#include "limbeck/runtime/weights.h"

namespace limbeck {

// out = norm(x) * weight + bias; copies where the norm has no weight. `out` may be x.
void apply_norm(const KernelTable& kernels, const Norm& norm, NormKind kind, double epsilon,
                std::span<const float> x, std::span<float> out) noexcept;

// cos and sin of a position's rotation of each pair.
struct Rotation {
  std::vector<float> cos, sin;  // [rope_dim / 2]
};
Rotation rotation_at(const RopeTable& table, std::size_t position);
// Rotates the first rope_dim dimensions of each head in `heads` [n, head_dim], in place.
void rotate(const Rotation& rotation, RopeStyle style, std::span<float> heads,
            std::size_t head_dim) noexcept;

// gate <- activation(gate) * up; with an empty `up`, gate <- activation(gate).
void activate(const KernelTable& kernels, Activation activation, std::span<float> gate,
              std::span<const float> up) noexcept;

}  // namespace limbeck

#include "limbeck/model/compose.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <functional>
#include <unordered_map>

#include "limbeck/base/error.h"
#include "limbeck/codec/codec.h"

namespace limbeck {
namespace {

using Bytes = std::vector<std::byte>;

// One canonical tensor on its way into a stored one.
struct Piece {
  const NamedTensor* tensor;
  Part part;
  std::int64_t rows, columns;           // of the canonical tensor; a vector is a column
  std::vector<std::int64_t> row_order;  // empty: as it is
  float shift = 0;                      // added to each weight (Gemma's norms)
  TensorType type;                      // as written
};

struct Group {
  Placement place;  // of the first piece; all but the part is common
  std::vector<Piece> pieces;
};

bool is_gemma(Family family) { return family == Family::gemma2 || family == Family::gemma3; }

// Weights [n] as `type`, each plus `shift`.
Bytes convert(const Bytes& from, TensorType from_type, TensorType type, std::int64_t n,
              float shift) {
  std::vector<float> values(static_cast<std::size_t>(n));
  decode_row(from_type, from, values);
  for (float& value : values) value += shift;
  Bytes out(row_bytes(type, n));
  encode_row(type, values, out);
  return out;
}

Bytes make_piece(const Piece& piece) {
  const NamedTensor& tensor = *piece.tensor;
  Bytes bytes = tensor.make_bytes();
  const std::size_t expected =
      row_bytes(tensor.type, piece.columns) * static_cast<std::size_t>(piece.rows);
  if (bytes.size() != expected) {
    fail(ErrorKind::usage, "tensor '{}' has {} bytes where its shape needs {}", tensor.name,
         bytes.size(), expected);
  }
  if (!piece.row_order.empty()) {
    bytes = gather_rows(bytes, row_bytes(tensor.type, piece.columns), piece.row_order);
  }
  if (piece.type != tensor.type || piece.shift != 0) {
    bytes = convert(bytes, tensor.type, piece.type, piece.rows * piece.columns, piece.shift);
  }
  return bytes;
}

Bytes make_group(const Group& group, const Architecture& a) {
  Bytes out;
  if (group.place.per_head) {
    const std::size_t width = row_bytes(group.pieces[0].type, group.pieces[0].columns);
    for (const Piece& piece : group.pieces) {
      const Bytes bytes = make_piece(piece);
      out.resize(bytes.size() * group.pieces.size());
      const std::vector<std::int64_t> rows = per_head_rows(a, piece.part);
      for (std::size_t r = 0; r < rows.size(); ++r) {
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(r * width), width,
                    out.begin() + rows[r] * static_cast<std::ptrdiff_t>(width));
      }
    }
  } else {
    for (const Piece& piece : group.pieces) {
      const Bytes bytes = make_piece(piece);
      out.insert(out.end(), bytes.begin(), bytes.end());
    }
  }
  if (group.place.transposed) {
    const Piece& first = group.pieces[0];
    const std::int64_t rows = fused_rows(a, first.part, first.rows);
    out = transpose(out, rows, first.columns, info(first.type).block_bytes);
  }
  return out;
}

class Composer {
 public:
  Composer(const Architecture& a, StoredIn target)
      : a_(a), info_(family_info(a.family)), target_(target) {}

  void add(const TensorSpec& spec, const NamedTensor& tensor) {
    if (tensor.shape != spec.shape) {
      fail(ErrorKind::usage, "tensor '{}' has shape [{}] but the architecture needs [{}]",
           spec.name, fmt::join(tensor.shape, ", "), fmt::join(spec.shape, ", "));
    }
    const bool vector = spec.shape.size() == 1;
    Placement place = placements(info_, target_, spec.name).at(0);
    Piece piece{.tensor = &tensor,
                .part = place.part,
                .rows = spec.shape[0],
                .columns = vector ? 1 : spec.shape[1],
                .row_order = row_order(spec.name),
                .shift = shift(spec.name),
                .type = vector && target_ == StoredIn::gguf ? TensorType::f32 : tensor.type};
    const auto [found, added] = names_.emplace(place.name, groups_.size());
    if (added) groups_.push_back({std::move(place), {}});
    Group& group = groups_[found->second];
    if (!group.pieces.empty() && group.pieces[0].type != piece.type) {
      fail(ErrorKind::usage,
           "tensors '{}' ({}) and '{}' ({}) are one tensor of the file: give them "
           "one type",
           group.pieces[0].tensor->name, info(group.pieces[0].type).name, spec.name,
           info(piece.type).name);
    }
    group.pieces.push_back(std::move(piece));
  }

  std::vector<GgufTensor> finish() {
    std::vector<GgufTensor> out;
    for (Group& group : groups_) {
      const Piece& first = group.pieces[0];
      Shape shape = first.tensor->shape;
      shape[0] = fused_rows(a_, first.part, first.rows);
      if (group.place.transposed) std::swap(shape[0], shape[1]);
      if (group.place.transposed && is_quantized(first.type)) {
        fail(ErrorKind::usage, "tensor '{}' cannot be stored transposed as {}", first.tensor->name,
             info(first.type).name);
      }
      out.push_back({group.place.name, first.type, std::move(shape),
                     [group = std::move(group), a = a_] { return make_group(group, a); }});
    }
    return out;
  }

 private:
  std::vector<std::int64_t> row_order(std::string_view name) const {
    const RopeStyle wanted = target_ == StoredIn::gguf && info_.gguf_interleaved
                                 ? RopeStyle::interleaved
                                 : RopeStyle::half;
    if (a_.positions != Positions::rope || a_.rope_style == wanted) return {};
    const bool q = name.find(".attn_q.") != std::string_view::npos;
    if (!q && name.find(".attn_k.") == std::string_view::npos) return {};
    return rope_row_order(q ? a_.heads : a_.kv_heads, a_.head_dim, a_.rope_style);
  }

  float shift(std::string_view name) const {
    if (!is_gemma(a_.family) || !name.ends_with("norm.weight")) return 0;
    const NormKind wanted = target_ == StoredIn::gguf ? NormKind::rms : NormKind::rms_plus_one;
    if (a_.norm == wanted) return 0;
    return target_ == StoredIn::gguf ? 1.0f : -1.0f;
  }

  const Architecture& a_;
  const FamilyInfo& info_;
  StoredIn target_;
  std::vector<Group> groups_;
  std::unordered_map<std::string, std::size_t> names_;
};

}  // namespace

std::vector<GgufTensor> compose(const Architecture& a, std::span<const NamedTensor> tensors,
                                StoredIn target) {
  std::unordered_map<std::string_view, const NamedTensor*> by_name;
  for (const NamedTensor& tensor : tensors) {
    if (!by_name.emplace(tensor.name, &tensor).second) {
      fail(ErrorKind::usage, "tensor '{}' is given twice", tensor.name);
    }
  }
  Composer composer(a, target);
  for (const TensorSpec& spec : tensor_specs(a)) {
    const auto found = by_name.find(spec.name);
    if (found == by_name.end()) {
      fail(ErrorKind::usage, "tensor '{}' of the architecture is not given", spec.name);
    }
    composer.add(spec, *found->second);
    by_name.erase(found);
  }
  if (!by_name.empty()) {
    fail(ErrorKind::usage, "tensor '{}' is not one of the architecture", by_name.begin()->first);
  }
  return composer.finish();
}

std::vector<std::vector<std::string>> fused_tensors(const Architecture& a) {
  const FamilyInfo& info = family_info(a.family);
  std::vector<std::vector<std::string>> groups;
  std::unordered_map<std::string, std::size_t> names;
  for (const TensorSpec& spec : tensor_specs(a)) {
    const Placement place = placements(info, StoredIn::gguf, spec.name).at(0);
    if (place.part == Part::whole || spec.shape.size() == 1) continue;
    const auto [found, added] = names.emplace(place.name, groups.size());
    if (added) groups.emplace_back();
    groups[found->second].push_back(spec.name);
  }
  return groups;
}

std::vector<NamedTensor> tensors_of(const Checkpoint& checkpoint) {
  std::vector<NamedTensor> out;
  for (TensorSpec& spec : tensor_specs(checkpoint.architecture())) {
    // The type without the bytes: find() may copy, and this asks for every tensor.
    const TensorType type = checkpoint.type_of(spec.name);
    out.push_back({spec.name, type, std::move(spec.shape), [&checkpoint, name = spec.name] {
                     const Weight weight = checkpoint.at(name);
                     return Bytes(weight.bytes.begin(), weight.bytes.end());
                   }});
  }
  return out;
}

}  // namespace limbeck

#include "limbeck/model/layout.h"

#include <cstring>
#include <utility>

namespace limbeck {
namespace {

// "blk.12.attn_q.weight" = stem "blk.#.attn_q", layer "12", suffix ".weight".
struct SplitName {
  std::string stem, layer, suffix;
};

SplitName split(std::string_view canonical) {
  SplitName out;
  const std::size_t dot = canonical.rfind('.');
  if (dot == std::string_view::npos) return {std::string(canonical), "", ""};
  out.suffix = canonical.substr(dot);
  out.stem = canonical.substr(0, dot);
  if (out.stem.starts_with("blk.")) {
    const std::size_t end = out.stem.find('.', 4);
    if (end != std::string::npos) {
      out.layer = out.stem.substr(4, end - 4);
      out.stem.replace(4, end - 4, "#");
    }
  }
  return out;
}

std::string with_layer(std::string_view pattern, const SplitName& name) {
  std::string out(pattern);
  if (const std::size_t hash = out.find('#'); hash != std::string::npos) {
    out.replace(hash, 1, name.layer);
  }
  out.append(name.suffix);
  return out;
}

std::vector<Placement> in_safetensors(const FamilyInfo& info, const SplitName& name) {
  std::vector<Placement> out;
  for (const TensorName& row : info.hf_tensors) {
    if (row.canonical != name.stem) continue;
    const bool weight = name.suffix == ".weight";
    Placement place{with_layer(row.stored, name), row.part, row.transposed && weight,
                    info.qkv_per_head && row.part != Part::whole};
    const std::string bare = place.name;
    std::vector<std::string> prefixes = {std::string(info.hf_prefix), ""};
    if (row.canonical == "output") prefixes = {""};
    if (info.family == Family::gemma3) {  // the text part of an image model
      prefixes.emplace_back("language_model.");
      prefixes.emplace_back("language_model.model.");
      prefixes.emplace_back("model.language_model.");
    }
    for (const std::string& prefix : prefixes) {
      place.name.assign(prefix).append(bare);
      out.push_back(place);
    }
  }
  return out;
}

std::vector<Placement> in_gguf(const FamilyInfo& info, const SplitName& name) {
  const Placement plain{with_layer(name.stem, name)};
  if (info.gguf_fused_qkv) {
    for (auto [stem, part] :
         {std::pair{"blk.#.attn_q", Part::q}, std::pair{"blk.#.attn_k", Part::k},
          std::pair{"blk.#.attn_v", Part::v}}) {
      if (name.stem == stem) return {{with_layer("blk.#.attn_qkv", name), part}, plain};
    }
  }
  if (info.gguf_fused_ffn && name.stem == "blk.#.ffn_gate") {
    return {{with_layer("blk.#.ffn_up", name), Part::gate}, plain};
  }
  if (info.gguf_fused_ffn && name.stem == "blk.#.ffn_up") {
    return {{with_layer("blk.#.ffn_up", name), Part::up}, plain};
  }
  return {plain};
}

}  // namespace

std::vector<Placement> placements(const FamilyInfo& info, StoredIn format,
                                  std::string_view canonical) {
  const SplitName name = split(canonical);
  return format == StoredIn::gguf ? in_gguf(info, name) : in_safetensors(info, name);
}

RowRange rows_of(const Architecture& a, Part part, std::int64_t rows) {
  const std::int64_t q = a.heads * a.head_dim, kv = a.kv_heads * a.head_dim;
  switch (part) {
    case Part::whole:
      break;
    case Part::q:
      return {0, q};
    case Part::k:
      return {q, kv};
    case Part::v:
      return {q + kv, kv};
    case Part::gate:
      return {0, a.ffn};
    case Part::up:
      return {a.ffn, a.ffn};
  }
  return {0, rows};
}

std::int64_t fused_rows(const Architecture& a, Part part, std::int64_t rows) {
  switch (part) {
    case Part::whole:
      return rows;
    case Part::gate:
    case Part::up:
      return 2 * a.ffn;
    default:
      return (a.heads + 2 * a.kv_heads) * a.head_dim;
  }
}

std::vector<std::int64_t> per_head_rows(const Architecture& a, Part part) {
  const std::int64_t place = part == Part::q ? 0 : part == Part::k ? 1 : 2;
  std::vector<std::int64_t> index;
  for (std::int64_t head = 0; head < a.heads; ++head) {
    for (std::int64_t i = 0; i < a.head_dim; ++i) {
      index.push_back((head * 3 + place) * a.head_dim + i);
    }
  }
  return index;
}

std::vector<std::byte> gather_rows(std::span<const std::byte> rows, std::size_t row_bytes,
                                   std::span<const std::int64_t> index) {
  std::vector<std::byte> out(index.size() * row_bytes);
  for (std::size_t r = 0; r < index.size(); ++r) {
    std::memcpy(out.data() + r * row_bytes,
                rows.data() + static_cast<std::size_t>(index[r]) * row_bytes, row_bytes);
  }
  return out;
}

std::vector<std::int64_t> rope_row_order(std::int64_t heads, std::int64_t head_dim,
                                         RopeStyle from) {
  std::vector<std::int64_t> index;
  const std::int64_t half = head_dim / 2;
  for (std::int64_t head = 0; head < heads; ++head) {
    for (std::int64_t i = 0; i < head_dim; ++i) {
      const std::int64_t source =
          from == RopeStyle::half ? i % 2 * half + i / 2 : i % half * 2 + i / half;
      index.push_back(head * head_dim + source);
    }
  }
  return index;
}

std::vector<std::byte> transpose(std::span<const std::byte> matrix, std::int64_t rows,
                                 std::int64_t columns, std::size_t element_bytes) {
  std::vector<std::byte> out(matrix.size());
  const auto n = static_cast<std::size_t>(rows), m = static_cast<std::size_t>(columns);
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = 0; c < m; ++c) {
      std::memcpy(out.data() + (c * n + r) * element_bytes,
                  matrix.data() + (r * m + c) * element_bytes, element_bytes);
    }
  }
  return out;
}

}  // namespace limbeck

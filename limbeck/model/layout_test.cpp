#include "limbeck/model/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace limbeck {
namespace {

TEST(Layout, RopeOrderPairsHalvesAndComesBack) {
  // 2 heads of 4: rows (0 2)(1 3) of a head turn together in folders, (0 1)(2 3) in GGUF files.
  EXPECT_EQ(rope_row_order(2, 4, RopeStyle::half),
            (std::vector<std::int64_t>{0, 2, 1, 3, 4, 6, 5, 7}));
  for (const std::int64_t dim : {2, 4, 6, 64, 96}) {
    const auto there = rope_row_order(3, dim, RopeStyle::half);
    const auto back = rope_row_order(3, dim, RopeStyle::interleaved);
    for (std::size_t r = 0; r < there.size(); ++r) {
      EXPECT_EQ(there[static_cast<std::size_t>(back[r])], static_cast<std::int64_t>(r));
    }
  }
}

TEST(Layout, GatherAndTransposeMoveWholeElements) {
  std::vector<std::byte> matrix(2 * 3 * 2);
  for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i] = static_cast<std::byte>(i);
  const std::vector<std::int64_t> swap = {1, 0};
  const auto swapped = gather_rows(matrix, 6, swap);
  EXPECT_EQ(swapped[0], std::byte{6});
  EXPECT_EQ(gather_rows(swapped, 6, swap), matrix);
  const auto turned = transpose(matrix, 2, 3, 2);  // element (1, 0) becomes (0, 1)
  EXPECT_EQ(turned[2], std::byte{6});
  EXPECT_EQ(transpose(turned, 3, 2, 2), matrix);
}

TEST(Layout, FusedPartsTileTheirTensor) {
  Architecture a;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = 8;
  a.ffn = 48;
  std::int64_t next = 0;
  for (const Part part : {Part::q, Part::k, Part::v}) {
    const RowRange range = rows_of(a, part, 0);
    EXPECT_EQ(range.first, next);
    next += range.count;
  }
  EXPECT_EQ(next, fused_rows(a, Part::k, 0));
  EXPECT_EQ(rows_of(a, Part::up, 0).first, 48);
  EXPECT_EQ(fused_rows(a, Part::gate, 48), 96);
  EXPECT_EQ(rows_of(a, Part::whole, 7).count, 7);
}

TEST(Layout, PerHeadPartsTileTheirTensor) {
  Architecture a;
  a.heads = a.kv_heads = 3;
  a.head_dim = 4;
  std::vector<std::int64_t> all;
  for (const Part part : {Part::q, Part::k, Part::v}) {
    const auto rows = per_head_rows(a, part);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  EXPECT_EQ(per_head_rows(a, Part::k).front(), 4);  // head 0: q rows 0-3, k rows 4-7
  std::ranges::sort(all);
  std::vector<std::int64_t> every(36);
  std::iota(every.begin(), every.end(), 0);
  EXPECT_EQ(all, every);
}

TEST(Layout, NamesOfEachFormat) {
  const auto first = [](Family family, StoredIn format, std::string_view name) {
    return placements(family_info(family), format, name).at(0);
  };
  using enum StoredIn;
  EXPECT_EQ(first(Family::llama, safetensors, "blk.11.attn_q.weight").name,
            "model.layers.11.self_attn.q_proj.weight");
  EXPECT_EQ(first(Family::llama, safetensors, "output.weight").name, "lm_head.weight");
  EXPECT_EQ(first(Family::gemma2, safetensors, "blk.0.ffn_norm.weight").name,
            "model.layers.0.pre_feedforward_layernorm.weight");
  EXPECT_EQ(first(Family::llama, gguf, "blk.3.attn_q.weight"), (Placement{"blk.3.attn_q.weight"}));
  EXPECT_EQ(first(Family::phi3, gguf, "blk.3.ffn_gate.weight"),
            (Placement{"blk.3.ffn_up.weight", Part::gate}));
  EXPECT_EQ(first(Family::phi3, safetensors, "blk.3.ffn_up.weight"),
            (Placement{"model.layers.3.mlp.gate_up_proj.weight", Part::up}));
  EXPECT_EQ(first(Family::gpt2, safetensors, "blk.3.attn_k.weight"),
            (Placement{"transformer.h.3.attn.c_attn.weight", Part::k, true}));
  EXPECT_EQ(first(Family::gpt2, safetensors, "blk.3.attn_k.bias"),
            (Placement{"transformer.h.3.attn.c_attn.bias", Part::k, false}));
  EXPECT_EQ(
      first(Family::gpt_neox, safetensors, "blk.0.attn_v.weight"),
      (Placement{"gpt_neox.layers.0.attention.query_key_value.weight", Part::v, false, true}));
  EXPECT_EQ(first(Family::gpt_neox, gguf, "blk.0.attn_v.bias"),
            (Placement{"blk.0.attn_qkv.bias", Part::v}));
  EXPECT_TRUE(placements(family_info(Family::gpt2), safetensors, "blk.0.ffn_gate.weight").empty());
}

}  // namespace
}  // namespace limbeck

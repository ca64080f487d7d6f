#include "limbeck/model/mixes.h"

#include <gtest/gtest.h>

#include <map>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

using enum TensorType;

Architecture llama(std::int64_t layers, std::int64_t hidden, std::int64_t heads = 8,
                   std::int64_t kv_heads = 8, bool tied = false) {
  Architecture a;
  a.vocab_size = 1000;
  a.context_length = 128;
  a.hidden = hidden;
  a.layers = layers;
  a.heads = heads;
  a.kv_heads = kv_heads;
  a.head_dim = hidden / heads;
  a.ffn = 2 * hidden;
  a.rope_dim = a.head_dim;
  a.attention_scale = 1;
  a.tied_embeddings = tied;
  return a;
}

TensorType type(std::string_view mix, const Architecture& a, std::string_view name,
                bool importance = false) {
  return type_in_mix(find_mix(mix), a, name, a.hidden, importance);
}

TEST(Mixes, MoreBitsForFirstAndLastEighthAndEachThird) {
  const Architecture a = llama(16, 256);
  std::string lifted;
  for (int layer = 0; layer < 16; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".ffn_down.weight";
    lifted += type("q4_k_m", a, name) == q6_k ? '6' : '4';
  }
  EXPECT_EQ(lifted, "6644644644644666");  // layers 0, 1; 4, 7, 10, 13; 14, 15
}

TEST(Mixes, FollowTheirRules) {
  const Architecture a = llama(32, 256), grouped = llama(32, 256, 8, 2);
  EXPECT_EQ(type("q4_k", a, "blk.5.attn_q.weight"), q4_k);
  EXPECT_EQ(type("Q4_K_S", a, "blk.3.attn_v.weight"), q5_k);
  EXPECT_EQ(type("q4_k_s", a, "blk.4.attn_v.weight"), q4_k);
  EXPECT_EQ(type("q3_k_m", a, "blk.1.attn_v.weight"), q5_k);
  EXPECT_EQ(type("q3_k_m", a, "blk.2.attn_v.weight"), q4_k);
  EXPECT_EQ(type("q3_k_m", a, "blk.1.ffn_down.weight"), q5_k);
  EXPECT_EQ(type("q3_k_m", a, "blk.2.ffn_down.weight"), q4_k);
  EXPECT_EQ(type("q3_k_m", a, "blk.2.attn_output.weight"), q4_k);
  EXPECT_EQ(type("q2_k", a, "blk.2.attn_v.weight"), q3_k);
  EXPECT_EQ(type("q2_k", grouped, "blk.2.attn_v.weight"), q4_k);
  EXPECT_EQ(type("q2_k", a, "output.weight"), q6_k);
  EXPECT_EQ(type("q2_k", a, "token_embd.weight"), q2_k);
  EXPECT_EQ(type("iq4_xs", a, "blk.0.ffn_down.weight"), q5_k);
  EXPECT_EQ(type("iq4_xs", a, "blk.0.ffn_down.weight", true), iq4_xs);
  EXPECT_EQ(type("q4_0", a, "blk.0.ffn_down.weight", true), q4_1);
  EXPECT_EQ(type("iq2_xs", a, "token_embd.weight"), q2_k);
  EXPECT_EQ(type("q8_0", a, "output.weight"), q8_0);
  EXPECT_EQ(type("f16", a, "blk.0.attn_v.weight"), f16);
  for (const char* name : {"blk.0.attn_norm.weight", "output_norm.weight", "blk.0.attn_q.bias",
                           "position_embd.weight", "blk.x.attn_q.weight", "blk.3"}) {
    EXPECT_EQ(type("q4_k", a, name), f32) << name;
  }
}

TEST(Mixes, TiedEmbeddingsCountAsOutput) {
  EXPECT_EQ(type("q4_k_m", llama(8, 256), "token_embd.weight"), q4_k);
  EXPECT_EQ(type("q4_k_m", llama(8, 256, 8, 8, true), "token_embd.weight"), q6_k);
}

TEST(Mixes, FusedPartsGetOneType) {
  Architecture a = llama(8, 256);
  a.family = Family::gpt2;
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"}) {
    EXPECT_EQ(type("q4_k_m", a, name), q5_k);
    EXPECT_EQ(type("iq3_xs", a, name), iq3_s);
  }
}

TEST(Mixes, RowsThatDoNotDivideGetAnotherType) {
  const std::map<TensorType, TensorType> expected = {
      {q4_k, q5_0},  {q5_k, q5_1},     {q6_k, q8_0},      {q2_k, q4_0},   {q3_k, q4_0},
      {tq1_0, q4_0}, {iq4_xs, iq4_nl}, {iq2_xxs, iq4_nl}, {iq3_s, iq4_nl}};
  for (const auto& [from, to] : expected) {
    EXPECT_EQ(type_for_columns(from, 896), to);
    EXPECT_EQ(type_for_columns(from, 512), from);
    EXPECT_EQ(type_for_columns(from, 172), f16);
  }
  EXPECT_EQ(type_for_columns(q8_0, 172), f16);
  // The output takes q8_0 when the mix's own type does not divide.
  EXPECT_EQ(type("q4_k_m", llama(8, 96), "output.weight"), q8_0);
}

TEST(Mixes, UnknownNamesGetTheNearestKnown) {
  try {
    find_mix("q4_km");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(error.remedy().find("q4_k_m"), std::string::npos);
  }
}

}  // namespace
}  // namespace limbeck

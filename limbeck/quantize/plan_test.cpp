#include "limbeck/quantize/plan.h"

#include <gtest/gtest.h>

namespace limbeck {
namespace {

TEST(Plan, CountsEveryByte) {
  Architecture a;
  a.vocab_size = 1000;
  a.context_length = 128;
  a.hidden = 256;
  a.layers = 2;
  a.heads = a.kv_heads = 8;
  a.head_dim = a.rope_dim = 32;
  a.ffn = 512;
  a.attention_scale = 1;
  const Plan plan = plan_mix(find_mix("q8_0"), a, false);
  std::int64_t weights = 0;
  for (const PlannedTensor& tensor : plan) weights += tensor.weights();
  EXPECT_EQ(weights, parameter_count(a));
  const std::uint64_t vectors = 5 * 256;  // norms stay f32
  EXPECT_EQ(total_bytes(plan),
            (static_cast<std::uint64_t>(weights) - vectors) / 32 * 34 + vectors * 4);
}

}  // namespace
}  // namespace limbeck

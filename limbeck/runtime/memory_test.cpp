// What a run takes is what was said before it.
#include "limbeck/runtime/memory.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "limbeck/base/resident.h"
#include "limbeck/runtime/random_model.h"

namespace limbeck {
namespace {

// Each test is its own process under CTest; the file is written by a model that is gone before.
void check_plan(TensorType type, bool repack, TensorType cache) {
  Architecture a = known_shape("smollm2-135m");
  a.vocab_size = 8192, a.layers = 8, a.context_length = 2048;
  const auto path = std::filesystem::temp_directory_path() /
                    ("limbeck-memory-" + std::to_string(::getpid()) + ".gguf");
  write_random_model(path, a, type, 3);
  const std::int64_t positions = 700, tokens = 512;
  std::vector<TokenId> ids;
  for (std::int64_t i = 0; i < positions; ++i) ids.push_back(static_cast<TokenId>(i * 7919 % 8192));
  double plan = 0, measured = 0;
  {
    ::malloc_trim(0);  // what writing the file left would be used again
    if (!reset_peak_resident()) GTEST_SKIP() << "the kernel keeps no peak here";
    const auto before = static_cast<double>(resident_bytes());
    const Checkpoint checkpoint = Checkpoint::open(path);
    const ModelOptions model_options{.repack = repack, .threads = 1};
    const DecoderOptions options{.context = 1024, .cache = cache};
    plan = static_cast<double>(
        plan_memory(checkpoint, model_options, options, positions, tokens).total());
    const Model model(checkpoint, model_options);
    ThreadPool pool(1);
    Decoder decoder(model, pool, options);
    decoder.forward(std::span(ids).first(512), false);
    decoder.forward(std::span(ids).subspan(512), false);
    measured = static_cast<double>(peak_resident_bytes()) - before;
  }
  std::filesystem::remove(path);
  EXPECT_NEAR(plan / measured, 1, 0.05) << plan << " planned, " << measured << " measured";
}

TEST(MemoryPlan, OfRepackedWeights) { check_plan(TensorType::q8_0, true, TensorType::f32); }
TEST(MemoryPlan, OfFourBits) { check_plan(TensorType::q4_0, true, TensorType::f16); }
TEST(MemoryPlan, OfPlainWeights) { check_plan(TensorType::f16, true, TensorType::f32); }
TEST(MemoryPlan, OfRoundedRows) { check_plan(TensorType::bf16, true, TensorType::f32); }
TEST(MemoryPlan, OfACacheOfBytes) { check_plan(TensorType::q4_0, true, TensorType::q8_0); }
TEST(MemoryPlan, OfTheMappedFile) { check_plan(TensorType::q8_0, false, TensorType::f32); }

TEST(ItemsAtOnce, StayNearUnlessTheyWouldBeFew) {
  const Architecture small = known_shape("smollm2-135m"), large = known_shape("llama-3.2-1b");
  EXPECT_EQ(items_at_once(small, 512), 128u);
  EXPECT_EQ(items_at_once(small, 7), 7u);
  EXPECT_EQ(items_at_once(small, 0), 1u);
  EXPECT_EQ(items_at_once(large, 512), 512u);
}

}  // namespace
}  // namespace limbeck

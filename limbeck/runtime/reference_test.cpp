// Real models against the numbers of an independent forward pass (REFERENCE.json beside them).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/runtime/model.h"

namespace limbeck {
namespace {

struct Reference {
  const char* folder;
  const char* file;  // in the folder; empty: the folder itself
};

std::filesystem::path data_folder() {
  const char* named = std::getenv("LIMBECK_TEST_DATA");
  return named ? std::filesystem::path(named) / "models"
               : std::filesystem::path(LIMBECK_SOURCE_DIR) / "../shared/data/models";
}

class Real : public testing::TestWithParam<Reference> {};

TEST_P(Real, GivesTheReferenceLogitsAndGreedyIds) {
  const auto folder = data_folder() / GetParam().folder;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  const Json reference = read_json_file((folder / "REFERENCE.json").string());
  const Checkpoint checkpoint = Checkpoint::open(folder / GetParam().file);
  const Model model(checkpoint);
  ThreadPool pool(2);
  Decoder decoder(model, pool);

  const auto prompt = reference["prompt_ids"].get<std::vector<TokenId>>();
  std::span<const float> logits = decoder.forward(prompt, false);
  for (const Json& pair : reference["top5_next"]) {
    EXPECT_NEAR(logits[pair[0].get<std::size_t>()], pair[1].get<float>(), 1e-3) << pair;
  }
  std::vector<TokenId> ids;
  const auto expected = reference["greedy_64_ids"].get<std::vector<TokenId>>();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto best = std::ranges::max_element(logits) - logits.begin();
    ids.push_back(static_cast<TokenId>(best));
    logits = decoder.forward(std::array{ids.back()}, false);
  }
  EXPECT_EQ(ids, expected);
}

INSTANTIATE_TEST_SUITE_P(Models, Real,
                         testing::Values(Reference{"TinyStories-656K", ""},
                                         Reference{"stories260K", "stories260Ktok512.gguf"}),
                         [](const auto& instance) {
                           return std::string(instance.index == 0 ? "TinyStories" : "stories260K");
                         });

}  // namespace
}  // namespace limbeck

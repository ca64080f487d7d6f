// Training that stops and goes on: the same weights, and nothing lost.
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "limbeck/distill/trainer_fixture_test.h"

namespace limbeck::distill {
namespace {

TEST_F(Trainer, ResumesToTheSameWeights) {
  options.threads = 2;
  options.epochs = 1.5;
  const auto metric = [n = 0](const fs::path&) mutable { return static_cast<double>(++n % 3); };
  train(fresh(), tokenizer, rows, options, metric, folder / "whole", nullptr);

  options.checkpoint_folder = folder / "checkpoints";
  options.checkpoint_seconds = 0;
  options.metrics_file = folder / "metrics.jsonl";
  int calls = 0;
  const DevMetric dies = [&](const fs::path&) -> double {
    if (++calls == 3) throw std::runtime_error("killed");
    return static_cast<double>(calls % 3);
  };
  EXPECT_THROW(train(fresh(), tokenizer, rows, options, dies, folder / "parts", nullptr),
               std::runtime_error);
  EXPECT_FALSE(fs::exists(folder / "parts"));
  calls = 2;
  const DevMetric goes_on = [&](const fs::path&) { return static_cast<double>(++calls % 3); };
  const auto result = train(fresh(), tokenizer, rows, options, goes_on, folder / "parts", nullptr);
  EXPECT_TRUE(result.resumed);
  EXPECT_EQ(weights("whole"), weights("parts"));
  std::ifstream metrics(options.metrics_file);
  std::int64_t steps = 0;
  for (std::string line; std::getline(metrics, line);) steps += line.find("\"loss\"") != line.npos;
  EXPECT_EQ(steps, result.steps);  // none twice
}

TEST_F(Trainer, PassesOverDamagedCheckpoints) {
  options.checkpoint_folder = folder / "checkpoints";
  options.checkpoint_seconds = 0;
  train(fresh(), tokenizer, rows, options, {}, folder / "a", nullptr);
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(options.checkpoint_folder))
    found.push_back(entry);
  EXPECT_EQ(found.size(), 3u);
  std::sort(found.begin(), found.end());
  std::fstream(found.back() / "optimizer.safetensors", std::ios::in | std::ios::out)
      .seekp(500)
      .put(7);
  fs::remove(found[1] / "COMPLETE");
  const auto result = train(fresh(), tokenizer, rows, options, {}, folder / "b", nullptr);
  EXPECT_TRUE(result.resumed);
  EXPECT_EQ(weights("a"), weights("b"));
}

TEST_F(Trainer, AnotherRunsCheckpointIsNotResumed) {
  options.checkpoint_folder = folder / "checkpoints";
  train(fresh(), tokenizer, rows, options, {}, folder / "a", nullptr);
  rows[7].tokens[2] = 1;
  options.checkpoint_seconds = 0;
  int calls = 0;
  const DevMetric dies = [&](const fs::path&) -> double {
    if (++calls == 2) throw std::runtime_error("killed");
    return 1.0;
  };
  EXPECT_THROW(train(fresh(), tokenizer, rows, options, dies, folder / "b", nullptr),
               std::runtime_error);
  // Those of the first run, further on, do not push out the second's.
  const auto second = train(fresh(), tokenizer, rows, options, dies, folder / "b", nullptr);
  EXPECT_TRUE(second.resumed);
  EXPECT_EQ(calls, 5);  // four evaluations, one of them twice
}

TEST_F(Trainer, AdaptersAndAveragesResumeToTheSameWeights) {
  train(fresh(), tokenizer, rows, options, {}, folder / "base", nullptr);
  const Start start{folder / "base", {}};
  options.lora = {2, 0, {"q", "v", "down"}};
  options.ema = 0.9;
  train(
      start, tokenizer, rows, options, [](const auto&) { return 1.0; }, folder / "whole", nullptr);
  options.checkpoint_folder = folder / "checkpoints";
  options.checkpoint_seconds = 0;
  int calls = 0;
  const DevMetric dies = [&](const fs::path&) -> double {
    if (++calls == 3) throw std::runtime_error("killed");
    return 1.0;
  };
  EXPECT_THROW(train(start, tokenizer, rows, options, dies, folder / "parts", nullptr),
               std::runtime_error);
  calls = 3;
  EXPECT_TRUE(train(start, tokenizer, rows, options, dies, folder / "parts", nullptr).resumed);
  EXPECT_EQ(weights("whole"), weights("parts"));
  // Moments and weights of the adapters alone.
  const auto adapters = 4 * static_cast<std::uintmax_t>(2 * 2 * (3 * 16 + 16 + 8 + 24) +
                                                        64 * 12);  // with gaps between tensors
  for (const auto& entry : fs::directory_iterator(options.checkpoint_folder)) {
    EXPECT_LT(fs::file_size(entry.path() / "optimizer.safetensors"), 2 * adapters + 1000);
  }
}

TEST_F(Trainer, DivergenceKeepsTheLastGoodModel) {
  options.checkpoint_folder = folder / "checkpoints";
  options.checkpoint_seconds = 0;
  options.learning_rate = 10;
  options.clip_norm = 0;
  options.weight_decay = 10;
  options.epochs = 60;
  try {
    train(fresh(), tokenizer, rows, options, {}, folder / "x", nullptr);
    FAIL() << "finite";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric) << error.what();
    const std::string what = error.what();
    EXPECT_NE(what.find("not finite"), std::string::npos) << what;
    EXPECT_NE(what.find("last-good"), std::string::npos) << what;
  }
  EXPECT_FALSE(fs::exists(folder / "x"));
  (void)mean_loss(folder / "checkpoints" / "last-good", rows);  // it opens
}

TEST_F(Trainer, AFullDiskLeavesTheCheckpointBefore) {
  train(
      fresh(), tokenizer, rows, options, [](const auto&) { return 1.0; }, folder / "whole",
      nullptr);
  options.checkpoint_folder = folder / "checkpoints";
  options.checkpoint_seconds = 0;
  int calls = 0;
  struct rlimit before {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_IGN);  // then writing past the limit fails as on a full disk
  const DevMetric fills = [&](const fs::path&) {
    if (++calls == 2) {
      struct rlimit limit = before;
      limit.rlim_cur = 4096;
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    return 1.0;
  };
  try {
    train(fresh(), tokenizer, rows, options, fills, folder / "x", nullptr);
    ADD_FAILURE() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(exit_code(error.kind()), 5) << error.what();
    EXPECT_NE(error.remedy().find("step-"), std::string::npos) << error.remedy();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_FALSE(fs::exists(folder / "x"));
  for (const auto& entry : fs::directory_iterator(options.checkpoint_folder)) {
    EXPECT_TRUE(entry.path().filename().string().starts_with("step-")) << entry.path();
  }
  calls = 2;
  EXPECT_TRUE(train(fresh(), tokenizer, rows, options, fills, folder / "x", nullptr).resumed);
  EXPECT_EQ(weights("whole"), weights("x"));
}

}  // namespace
}  // namespace limbeck::distill

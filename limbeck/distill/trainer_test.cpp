// Whole training runs of a model of a few thousand weights.
#include "limbeck/distill/trainer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <fstream>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/random.h"
#include "limbeck/base/sha256.h"
#include "limbeck/text/bpe_trainer.h"

namespace limbeck::distill {
namespace {

namespace fs = std::filesystem;

Tokenizer tiny_tokenizer(std::string_view text = "the cat sat on the mat. the dog ran.") {
  BpeTrainOptions options;
  options.vocab_size = 280;
  const auto trained =
      train_bpe([&](const std::function<void(std::string_view)>& f) { f(text); }, options);
  return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json, "test");
}

Architecture shape(std::int64_t hidden = 16) {
  Architecture a;
  a.context_length = 32;
  a.hidden = hidden;
  a.layers = 2;
  a.heads = 2;
  a.kv_heads = 1;
  a.head_dim = hidden / 2;
  a.ffn = 24;
  a.rope_dim = a.head_dim;
  a.attention_scale = 1 / std::sqrt(static_cast<double>(a.head_dim));
  a.tied_embeddings = true;
  return a;
}

// Rows of a simple rule: each token is the one before plus 3, of different lengths.
std::vector<TrainRow> rule_rows(int n) {
  std::vector<TrainRow> rows;
  Random random(3);
  for (int i = 0; i < n; ++i) {
    TrainRow row;
    const auto length = 4 + random.below(20);
    auto token = static_cast<TokenId>(random.below(60));
    for (std::uint64_t t = 0; t < length; ++t, token = (token + 3) % 60)
      row.tokens.push_back(token);
    row.first_target = 1 + static_cast<std::int64_t>(random.below(2));
    rows.push_back(std::move(row));
  }
  return rows;
}

class Trainer : public testing::Test {
 protected:
  Trainer() {
    if (!std::getenv("LIMBECK_TEST_VERBOSE")) set_verbosity(Verbosity::quiet);
    folder = fs::temp_directory_path() / ("limbeck-trainer-" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::create_directories(folder);
    options.threads = 1;  // the matrices are tiny
    options.batch_tokens = 200;
    options.micro_tokens = 90;
    options.learning_rate = 1e-2;
    options.epochs = 3;
    options.save = "f32";  // what is written is what was evaluated, to the last bit
  }
  ~Trainer() override { fs::remove_all(folder); }

  Start fresh(std::int64_t hidden = 16) const { return {{}, shape(hidden)}; }
  std::string weights(const std::string& name) const {
    return sha256_file(folder / name / "model.safetensors");
  }

  fs::path folder;
  Tokenizer tokenizer = tiny_tokenizer();
  std::vector<TrainRow> rows = rule_rows(150);
  TrainOptions options;
};

TEST_F(Trainer, LearnsARule) {
  for (const bool bf16 : {false, true}) {
    options.bf16 = bf16;
    options.epochs = 12;
    const auto held_out = rule_rows(170);
    options.dev_rows = std::span(held_out).subspan(150);
    const auto result = train(fresh(), tokenizer, rows, options, {}, folder / "model", nullptr);
    EXPECT_LT(result.final_loss, 0.3);
    EXPECT_LT(-result.best_metric, 0.4);
    EXPECT_NEAR(mean_loss(folder / "model", options.dev_rows), -result.best_metric,
                bf16 ? 0.02 : 1e-4);
  }
}

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

TEST_F(Trainer, MicroBatchesOfAnySizeAccumulateToTheSame) {
  options.bf16 = false;
  options.max_steps = 3;
  const auto losses = [&](std::int64_t micro) {
    options.micro_tokens = micro;
    train(fresh(), tokenizer, rows, options, {}, folder / "m", nullptr);
    return mean_loss(folder / "m", rows);
  };
  EXPECT_NEAR(losses(1), losses(200), 1e-4);
}

TEST_F(Trainer, AStudentThatIsItsTeacherHasNothingToLearn) {
  options.bf16 = false;
  train(fresh(), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  options.soft_weight = 1;
  options.max_steps = 1;
  options.temperature = 2;
  for (const auto loss :
       {Loss::forward_kl, Loss::reverse_kl, Loss::jsd, Loss::skew_kl, Loss::skew_reverse_kl}) {
    options.loss = loss;
    const auto result = train_from_teacher({folder / "teacher", {}}, folder / "teacher", tokenizer,
                                           rows, options, {}, folder / "student", nullptr);
    EXPECT_NEAR(result.final_loss, 0, 1e-5);
  }
}

TEST_F(Trainer, DistilsATeacherIntoASmallerStudent) {
  options.epochs = 10;
  train(fresh(32), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  options.soft_weight = 1;  // the labels are never seen
  options.epochs = 20;
  train_from_teacher(fresh(8), folder / "teacher", tokenizer, rows, options, {}, folder / "student",
                     nullptr);
  EXPECT_LT(mean_loss(folder / "student", rows), 1.0);
  EXPECT_LT(mean_loss(folder / "teacher", rows), 0.3);
}

TEST_F(Trainer, MatchesWhatHappensInsideTheTeacher) {
  options.epochs = 6;
  options.learning_rate = 5e-3;
  train(fresh(32), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  options.metrics_file = folder / "metrics.jsonl";
  const auto distance = [&](double weight) {  // at the end
    options.hidden.weight = options.attention.weight = weight;
    train_from_teacher(fresh(16), folder / "teacher", tokenizer, rows, options, {},
                       folder / "student", nullptr);
    double last = 0;
    std::ifstream in(options.metrics_file);
    for (std::string line; std::getline(in, line);) {
      last = Json::parse(line).at("inside").get<double>();
    }
    return last / weight;
  };
  const double alone = distance(1e-9);
  EXPECT_LT(distance(10), 0.6 * alone);
  options.lora.r = 4;
  (void)distance(1);
  // What was learnt beside the student is not in its file: it opens.
  (void)mean_loss(folder / "student", rows);
  options.lora.r = 0;
  EXPECT_THROW(train(fresh(), tokenizer, rows, options, {}, folder / "x", nullptr), Error);
  options.recompute = true;
  EXPECT_THROW(train_from_teacher(fresh(16), folder / "teacher", tokenizer, rows, options, {},
                                  folder / "x", nullptr),
               Error);
}

TEST_F(Trainer, LearnsFromATeacherWithAnotherVocabulary) {
  const Tokenizer theirs = tiny_tokenizer("dog ran dog ran mat sat mat sat");
  ASSERT_NE(theirs.hash(), tokenizer.hash());
  const auto of = [](const Tokenizer& by) {
    std::vector<TrainRow> out;
    for (const char* text :
         {"the cat sat on the mat.", "the dog ran.", "the mat sat on the dog."}) {
      for (int i = 0; i < 20; ++i) {
        TrainRow row{by.encode("?", false), 1, {}};
        const auto answer = by.encode(text, false);
        row.tokens.insert(row.tokens.end(), answer.begin(), answer.end());
        row.tokens.push_back(*by.eos());
        out.push_back(std::move(row));
      }
    }
    return out;
  };
  const auto own = of(tokenizer), teachers = of(theirs);
  options.epochs = 20;
  train(fresh(32), theirs, teachers, options, {}, folder / "teacher", nullptr);
  try {
    train_from_teacher(fresh(), folder / "teacher", tokenizer, own, options, {}, folder / "x",
                       nullptr);
    ADD_FAILURE() << "trained";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(error.remedy().find("uld"), std::string::npos);
  }
  options.loss = Loss::uld;
  options.soft_weight = 0.9;
  options.metrics_file = folder / "metrics.jsonl";
  train_across_tokenizers(fresh(), folder / "teacher", teachers, tokenizer, own, options, {},
                          folder / "student", nullptr);
  std::vector<double> soft;
  std::ifstream in(options.metrics_file);
  for (std::string line; std::getline(in, line);) {
    soft.push_back(Json::parse(line).at("soft").get<double>());
  }
  EXPECT_LT(soft.back(), 0.3 * soft.front());
  // A tenth of the weight is on labels, and sorted probabilities do not say which token is
  // meant: log 280 = 5.6 nats at first.
  EXPECT_LT(mean_loss(folder / "student", own), 3.2);
}

// Answers that depend on the model, the prompt and the seed alone.
Rollout fake_rollout(int& calls) {
  return [&calls](const fs::path& model, std::span<const std::vector<TokenId>> prompts,
                  const RolloutRequest& request) {
    ++calls;
    EXPECT_TRUE(fs::exists(model / "config.json"));
    std::vector<std::vector<TokenId>> answers;
    for (const auto& prompt : prompts) {
      Random random(request.seed, static_cast<std::uint64_t>(prompt.back()));
      std::vector<TokenId> answer(1 + random.below(4));
      for (auto& token : answer) token = static_cast<TokenId>(random.below(60));
      answers.push_back(std::move(answer));
    }
    return answers;
  };
}

TEST_F(Trainer, OnPolicyPhaseResumesToTheSameWeights) {
  options.epochs = 4;
  train(fresh(32), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  options.on_policy.share = 0.5;
  options.on_policy.lambda = 0.7;
  options.on_policy.teacher_loss = Loss::skew_kl;
  options.on_policy.refresh = 5;
  options.epochs = 2;
  for (const bool pair : {false, true}) {
    options.checkpoint_folder.clear();
    options.on_policy.pair = pair;
    options.on_policy.loss = pair ? Loss::skew_reverse_kl : Loss::reverse_kl;
    int calls = 0;
    const auto rollout = fake_rollout(calls);
    const DevMetric dev = [](const fs::path&) { return 1.0; };
    train_on_policy(fresh(), folder / "teacher", rollout, tokenizer, rows, options, dev,
                    folder / "whole", nullptr);
    EXPECT_GE(calls, 2);
    options.checkpoint_folder = folder / "checkpoints";
    options.checkpoint_seconds = 0;
    int evaluations = 0;
    const DevMetric dies = [&](const fs::path&) -> double {
      if (++evaluations == 3) throw std::runtime_error("killed");  // within a round
      return 1.0;
    };
    EXPECT_THROW(train_on_policy(fresh(), folder / "teacher", rollout, tokenizer, rows, options,
                                 dies, folder / "parts", nullptr),
                 std::runtime_error);
    EXPECT_TRUE(train_on_policy(fresh(), folder / "teacher", rollout, tokenizer, rows, options,
                                dies, folder / "parts", nullptr)
                    .resumed);
    EXPECT_EQ(weights("whole"), weights("parts"));
  }
  EXPECT_THROW(train(fresh(), tokenizer, rows, options, {}, folder / "x", nullptr), Error);
}

TEST_F(Trainer, OnItsOwnAnswersTheStudentFollowsTheTeacher) {
  // Answers as a student would give that knows the rule; the rows' own are wrong and never seen.
  options.epochs = 10;
  train(fresh(32), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  options.on_policy.share = options.on_policy.lambda = options.on_policy.learning_rate_ratio = 1;
  options.on_policy.refresh = 0;
  options.epochs = 15;
  const Rollout follow = [&](const fs::path&, std::span<const std::vector<TokenId>> prompts,
                             const RolloutRequest&) {
    std::vector<std::vector<TokenId>> answers;
    for (const auto& prompt : prompts) {
      std::vector<TokenId> answer;
      for (int i = 1; i < 20; ++i) {
        answer.push_back(static_cast<TokenId>((prompt.back() + 3 * i) % 60));
      }
      answers.push_back(std::move(answer));
    }
    return answers;
  };
  auto wrong = rows;
  for (auto& row : wrong) {
    for (auto i = static_cast<std::size_t>(row.first_target); i < row.tokens.size(); ++i) {
      row.tokens[i] = 5;
    }
  }
  train_on_policy(fresh(), folder / "teacher", follow, tokenizer, wrong, options, {},
                  folder / "student", nullptr);
  EXPECT_LT(mean_loss(folder / "student", rows), 1.5);
}

TEST_F(Trainer, ATeacherMayHaveItsOwnPrompt) {
  train(fresh(32), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  auto asked = rows;
  for (auto& row : asked) {
    row.teacher_prompt.assign(row.tokens.begin(), row.tokens.begin() + row.first_target);
  }
  options.epochs = 1;
  train_from_teacher(fresh(), folder / "teacher", tokenizer, rows, options, {}, folder / "a",
                     nullptr);
  train_from_teacher(fresh(), folder / "teacher", tokenizer, asked, options, {}, folder / "b",
                     nullptr);
  EXPECT_EQ(weights("a"), weights("b"));
  for (auto& row : asked) row.teacher_prompt.push_back(7);
  train_from_teacher(fresh(), folder / "teacher", tokenizer, asked, options, {}, folder / "b",
                     nullptr);
  EXPECT_NE(weights("a"), weights("b"));
}

TEST_F(Trainer, AdaptersLearnOnAFrozenBase) {
  train(fresh(), tokenizer, rows, options, {}, folder / "base", nullptr);
  for (auto& row : rows) {  // another rule
    for (auto& token : row.tokens) token = 59 - token;
  }
  const double before = mean_loss(folder / "base", rows);
  options.lora = {8, 16, {}};
  options.epochs = 12;
  options.dev_rows = rows;
  for (const bool bf16 : {false, true}) {
    options.bf16 = bf16;
    const auto result =
        train({folder / "base", {}}, tokenizer, rows, options, {}, folder / "m", nullptr);
    // What is written is the merged model: it gives what base and adapters gave.
    EXPECT_NEAR(mean_loss(folder / "m", rows), -result.best_metric, bf16 ? 0.03 : 1e-5);
    EXPECT_LT(-result.best_metric, 0.85 * before);
  }
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

TEST_F(Trainer, AnAverageThatForgetsAtOnceIsTheWeights) {
  train(fresh(), tokenizer, rows, options, {}, folder / "plain", nullptr);
  options.ema = 1e-30;
  train(fresh(), tokenizer, rows, options, {}, folder / "average", nullptr);
  EXPECT_EQ(weights("plain"), weights("average"));
  options.ema = 0.9;
  train(fresh(), tokenizer, rows, options, {}, folder / "average", nullptr);
  EXPECT_NE(weights("plain"), weights("average"));
}

TEST_F(Trainer, RecomputingActivationsChangesNothing) {
  train(fresh(), tokenizer, rows, options, {}, folder / "kept", nullptr);
  options.recompute = true;
  train(fresh(), tokenizer, rows, options, {}, folder / "again", nullptr);
  EXPECT_EQ(weights("kept"), weights("again"));
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

TEST_F(Trainer, WritesEventsBesideTheMetrics) {
  options.metrics_file = folder / "metrics.jsonl";
  options.tensorboard = true;
  train(fresh(), tokenizer, rows, options, {}, folder / "a", nullptr);
  EXPECT_FALSE(fs::is_empty(folder / "metrics.tensorboard"));
}

TEST_F(Trainer, SaysWhatIsWrong) {
  const auto refused = [&](ErrorKind kind, const char* what) {
    try {
      train(fresh(), tokenizer, rows, options, {}, folder / "x", nullptr);
      FAIL() << what;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
    }
    EXPECT_FALSE(fs::exists(folder / "x"));
  };
  const auto good_rows = rows;
  const auto good = options;
  options.temperature = 0;
  refused(ErrorKind::usage, "temperature");
  options = good;
  options.schedule = "cosinus";
  refused(ErrorKind::usage, "schedule");
  options = good;
  options.lora.r = 4;
  options.lora.targets = {"lm_head"};
  refused(ErrorKind::usage, "lm_head");
  options = good;
  rows[3].tokens.assign(33, 1);
  refused(ErrorKind::usage, "training row 4: 33 tokens");
  rows = good_rows;
  rows[0].tokens[0] = 100000;
  refused(ErrorKind::usage, "outside the vocabulary");
  rows = good_rows;
  rows[0].soft.resize(1);
  rows[0].first_target = 1;
  refused(ErrorKind::usage, "soft labels");
  rows.clear();
  refused(ErrorKind::usage, "nothing to train on");
  rows = good_rows;
  options.learning_rate = 10;
  options.clip_norm = 0;
  options.weight_decay = 10;
  options.epochs = 60;
  refused(ErrorKind::numeric, "not finite in step");
}

}  // namespace
}  // namespace limbeck::distill

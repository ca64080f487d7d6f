// Two ranks in two threads of this process: what they train is what one trains.
#include "limbeck/distill/data_parallel.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "limbeck/distill/plan.h"
#include "limbeck/distill/train_job.h"
#include "limbeck/distill/trainer_fixture_test.h"

namespace limbeck::distill {
namespace {

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

class DataParallel : public Trainer {
 protected:
  // f on rank 0 while the other `n` - 1 follow; returns their exit codes.
  template <typename F>
  std::vector<int> on_ranks(int n, F&& f) {
    World world{.size = n, .local_size = n, .address = "127.0.0.1", .port = free_port()};
    world.timeout_s = 20;
    std::vector<int> codes(static_cast<std::size_t>(n - 1), -1);
    std::vector<std::thread> others;
    for (int r = 1; r < n; ++r) {
      World own = world;
      own.rank = own.local_rank = r;
      others.emplace_back([&codes, own] {
        try {
          codes[static_cast<std::size_t>(own.rank - 1)] = follow(*join(own, 1));
        } catch (const Error& error) {
          ADD_FAILURE() << "rank " << own.rank << ": " << error.what();
        }
      });
    }
    const auto ranks = join(world, 1);
    options.ranks = ranks.get();
    int code = 0;
    try {
      f();
    } catch (const Error& error) {
      code = exit_code(error.kind());
    }
    dismiss(*ranks, code);
    for (auto& other : others) other.join();
    options.ranks = nullptr;
    return codes;
  }

  // The largest difference between the weights of two models.
  float distance(const std::string& a, const std::string& b) const {
    const auto one = Checkpoint::open(folder / a), two = Checkpoint::open(folder / b);
    float most = 0;
    for (const auto& spec : tensor_specs(one.architecture())) {
      const auto x = one.floats(spec.name), y = two.floats(spec.name);
      EXPECT_EQ(x.size(), y.size());
      for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x[i] - y[i]));
    }
    return most;
  }
};

TEST_F(DataParallel, TwoRanksTrainWhatOneDoes) {
  options.bf16 = false;
  options.metrics_file = folder / "one.jsonl";
  const auto one = train(fresh(), tokenizer, rows, options, {}, folder / "one", nullptr);
  options.metrics_file = folder / "two.jsonl";
  TrainResult two;
  const auto codes = on_ranks(
      2, [&] { two = train(fresh(), tokenizer, rows, options, {}, folder / "two", nullptr); });
  EXPECT_EQ(codes, std::vector<int>{0});
  EXPECT_EQ(one.steps, two.steps);
  EXPECT_EQ(one.tokens, two.tokens);
  EXPECT_EQ(one.target_tokens, two.target_tokens);
  EXPECT_NEAR(one.final_loss, two.final_loss, 1e-4);
  // Sums in another order, over ~30 steps of a rate of 0.01.
  EXPECT_LT(distance("one", "two"), 2e-3);
  EXPECT_GT(distance("one", "two"), 0);  // the second did take part
}

TEST_F(DataParallel, TheSameRanksTrainTheSameBits) {
  options.checkpoint_folder = folder / "checkpoints";
  options.checkpoint_seconds = 0;
  const auto run = [&](const std::string& name, const DevMetric& dev) {
    return on_ranks(3,
                    [&] { train(fresh(), tokenizer, rows, options, dev, folder / name, nullptr); });
  };
  int calls = 0;
  const DevMetric metric = [&](const fs::path&) { return static_cast<double>(++calls % 3); };
  EXPECT_EQ(run("whole", metric), (std::vector<int>{0, 0}));
  fs::remove_all(options.checkpoint_folder);
  calls = 0;
  const DevMetric dies = [&](const fs::path&) {
    if (++calls == 3) fail(ErrorKind::io, "killed");
    return static_cast<double>(calls % 3);
  };
  EXPECT_EQ(run("parts", dies), (std::vector<int>{5, 5}));  // rank 0's exit code is everyone's
  EXPECT_FALSE(fs::exists(folder / "parts"));
  calls = 2;
  run("parts", metric);
  EXPECT_EQ(weights("whole"), weights("parts"));
}

TEST_F(DataParallel, GoesOnWithAnotherNumberOfRanks) {
  options.bf16 = false;
  options.ema = 0.5;
  train(fresh(), tokenizer, rows, options, {}, folder / "one", nullptr);
  options.checkpoint_folder = folder / "checkpoints";
  options.checkpoint_seconds = 0;
  const DevMetric dies = [](const fs::path&) -> double { fail(ErrorKind::io, "killed"); };
  options.evaluations = 2;
  on_ranks(3, [&] { train(fresh(), tokenizer, rows, options, dies, folder / "mixed", nullptr); });
  const auto rest = train(fresh(), tokenizer, rows, options, {}, folder / "mixed", nullptr);
  EXPECT_TRUE(rest.resumed);
  EXPECT_LT(distance("one", "mixed"), 2e-3);
}

TEST_F(DataParallel, ADenseTeacherIsSharedOut) {
  options.bf16 = false;
  train(fresh(24), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  const auto both = [&](const std::string& name) {
    train_from_teacher(fresh(), folder / "teacher", tokenizer, rows, options, {}, folder / name,
                       nullptr);
  };
  both("one");
  on_ranks(2, [&] { both("two"); });
  EXPECT_LT(distance("one", "two"), 2e-3);
  options.hidden.weight = 1;
  both("one inside");
  on_ranks(2, [&] { both("two inside"); });
  EXPECT_LT(distance("one inside", "two inside"), 2e-3);
  EXPECT_GT(distance("one", "one inside"), 1e-2);
}

TEST_F(DataParallel, OwnAnswersAreTheSameForAll) {
  options.bf16 = false;
  train(fresh(24), tokenizer, rows, options, {}, folder / "teacher", nullptr);
  options.on_policy.share = 0.5;
  options.on_policy.refresh = 3;
  int asked = 0;
  const Rollout rollout = [&](const fs::path&, std::span<const std::vector<TokenId>> prompts,
                              const RolloutRequest&) {
    ++asked;
    std::vector<std::vector<TokenId>> answers;
    for (const auto& prompt : prompts) answers.push_back({prompt.back(), 7, 9});
    return answers;
  };
  const auto both = [&](const std::string& name) {
    train_on_policy(fresh(), folder / "teacher", rollout, tokenizer, rows, options, {},
                    folder / name, nullptr);
  };
  both("one");
  const int once = asked;
  on_ranks(2, [&] { both("two"); });
  EXPECT_EQ(asked, 2 * once);  // rank 0 alone
  EXPECT_GT(once, 1);
  EXPECT_LT(distance("one", "two"), 2e-3);
}

TEST_F(DataParallel, DivergenceEndsAllRanks) {
  options.learning_rate = 10;
  options.clip_norm = 0;
  options.weight_decay = 10;
  options.epochs = 60;
  EXPECT_EQ(
      on_ranks(2, [&] { train(fresh(), tokenizer, rows, options, {}, folder / "x", nullptr); }),
      std::vector<int>{exit_code(ErrorKind::numeric)});
}

TEST_F(DataParallel, ALateRankIsAnErrorThatNamesTheMeeting) {
  World world{.size = 2, .local_size = 2, .address = "127.0.0.1", .port = free_port()};
  world.timeout_s = 1;
  try {
    join(world, 1);
    FAIL() << "met nobody";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::network);
    EXPECT_NE(std::string(error.what()).find("127.0.0.1"), std::string::npos) << error.what();
  }
}

TEST_F(DataParallel, AJobSurvivesItsJourney) {
  rows[0].soft.resize(rows[0].tokens.size() - static_cast<std::size_t>(rows[0].first_target));
  rows[0].soft[1] = {SoftTarget::Kind::top_k, {3, 5}, {-1.5f, -0.25f}};
  rows[1].teacher_prompt = {1, 2, 3};
  options.learning_rate = 0.1 / 3;
  options.seed = 77;
  const auto bytes =
      pack(TrainJob::Kind::across, fresh(), "teacher", tokenizer, rows, rows, options);
  const TrainJob job = unpack(bytes);
  EXPECT_EQ(job.kind, TrainJob::Kind::across);
  EXPECT_EQ(job.tokenizer->hash(), tokenizer.hash());
  EXPECT_EQ(job.start.shape.hidden, 16);
  EXPECT_EQ(job.start.shape.attention_scale, fresh().shape.attention_scale);
  EXPECT_EQ(job.options.learning_rate, options.learning_rate);
  EXPECT_EQ(job.options.seed, 77u);
  ASSERT_EQ(job.rows.size(), rows.size());
  EXPECT_EQ(job.rows[0].soft[1].ids, rows[0].soft[1].ids);
  EXPECT_EQ(job.rows[0].soft[1].values, rows[0].soft[1].values);
  EXPECT_EQ(job.rows[1].teacher_prompt, rows[1].teacher_prompt);
  EXPECT_EQ(job.teacher_rows[9].tokens, rows[9].tokens);
  EXPECT_THROW(unpack(std::string_view(bytes).substr(0, bytes.size() - 1)), Error);
}

TEST(Share, DealsEachRowOnce) {
  const auto rows = rule_rows(57);
  const auto whole = plan_pass(rows, 100);
  std::vector<int> seen(rows.size());
  std::int64_t least = 1 << 20, most = 0;
  for (int rank = 0; rank < 3; ++rank) {
    std::int64_t tokens = 0;
    for (const auto& micro : share(rows, whole, 100, rank, 3)) {
      for (const auto r : micro.rows) {
        ++seen[r];
        tokens += static_cast<std::int64_t>(rows[r].tokens.size());
      }
    }
    least = std::min(least, tokens);
    most = std::max(most, tokens);
  }
  EXPECT_EQ(seen, std::vector<int>(rows.size(), 1));
  EXPECT_LE(most - least, 23);  // the longest row
  const auto none = share(rows, {{{0}}}, 100, 2, 3);
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace limbeck::distill

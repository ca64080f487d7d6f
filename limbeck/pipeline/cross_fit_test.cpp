// Judges that know the truth, judges that learnt the noise, and who sits in which fold.
#include "limbeck/pipeline/cross_fit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <set>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/pipeline/distill_task.h"
#include "limbeck/pipeline/small_model_test.h"

namespace limbeck::pipeline {
namespace {

Task parity() {
  Task task;
  task.name = "parity";
  task.kind = TaskKind::classification;
  task.labels = {"even", "odd"};
  return task;
}

std::string truth(int n) { return n % 2 == 0 ? "even" : "odd"; }

// Numbers with their parity, a share of them wrong.
std::vector<Example> rows(int n, double wrong) {
  std::vector<Example> out;
  Random random(1, 2);
  for (int i = 0; i < n; ++i) {
    const bool lies = random.uniform() < wrong;
    out.push_back({std::to_string(i), Json(truth(lies ? i + 1 : i)), ""});
  }
  return out;
}

TEST(CrossFit, DropsWhatHeldOutModelsContradict) {
  const auto examples = rows(200, 0.3);
  std::set<std::string> judged;
  const CrossFitted out = cross_fit(
      parity(), examples, {.folds = 4, .rounds = 2}, 7,
      [&](const std::string& name, std::span<const Example> train, std::span<const Example> held) {
        std::set<std::string> seen;
        for (const Example& one : train) seen.insert(one.input.get<std::string>());
        std::vector<std::string> answers;
        for (const Example& one : held) {
          const auto text = one.input.get<std::string>();
          EXPECT_FALSE(seen.contains(text)) << name << " trains on what it judges";
          judged.insert(name.substr(0, 6) + " " + text);
          answers.push_back(truth(std::stoi(text)));
          // The second round learns from what the first kept: no lies there.
          if (!name.starts_with("round2")) continue;
          for (const Example& row : train)
            EXPECT_EQ(*row.output, truth(std::stoi(row.input.get<std::string>())));
        }
        return answers;
      });
  EXPECT_EQ(judged.size(), 400u) << "every row once a round";
  EXPECT_GT(out.rejects.size(), 30u);
  EXPECT_EQ(out.kept.size() + out.rejects.size(), 200u);
  for (const Example& one : out.kept)
    EXPECT_EQ(*one.output, truth(std::stoi(one.input.get<std::string>())));
  for (const Json& one : out.rejects) EXPECT_NE(one["output"], one["answer"]);
  EXPECT_EQ(out.report["kept"], Json({out.kept.size(), out.kept.size()}));
}

TEST(CrossFit, TurnsOfOneConversationShareAFold) {
  std::vector<Example> examples;
  for (int i = 0; i < 40; ++i) {
    Json messages =
        Json::array({{{"role", "user"}, {"content", "hello " + std::to_string(i / 4)}}});
    for (int k = 0; k < i % 4; ++k) messages.push_back({{"role", "user"}, {"content", "more"}});
    examples.push_back({{{"messages", messages}}, Json("even"), ""});
  }
  std::map<std::string, std::set<std::string>> where;
  cross_fit(parity(), examples, {.folds = 3}, 1,
            [&](const std::string& name, std::span<const Example>, std::span<const Example> held) {
              for (const Example& one : held) where[to_text(one.input["messages"][0])].insert(name);
              return std::vector<std::string>(held.size(), "even");
            });
  ASSERT_EQ(where.size(), 10u);
  for (const auto& [begin, folds] : where) EXPECT_EQ(folds.size(), 1u) << begin;
}

// A fold is not trained again where its answers are there.
TEST(CrossFit, ATeacherIsTrainedOnWhatIsKept) {
  if (!distill::can_train()) GTEST_SKIP() << "no trainer in this build";
  const auto folder =
      std::filesystem::temp_directory_path() / ("limbeck-cross-fit-" + std::to_string(::getpid()));
  write_colours(folder / "task", 6);
  const Task task = read_task(folder / "task");
  Architecture shape;
  shape.hidden = 16, shape.layers = 1, shape.heads = 2, shape.kv_heads = 2, shape.head_dim = 8;
  shape.ffn = 32, shape.context_length = 64, shape.rope_dim = 8, shape.attention_scale = 0.35;
  shape.tied_embeddings = true;
  TeacherTraining training;
  training.start.shape = shape;
  training.vocab_size = 320;
  training.train.max_steps = 3;
  training.train.batch_tokens = 64;
  training.cross_fit.folds = 2;
  ThreadPool pool{1};
  const auto train = [&] {
    return train_teacher(training, task, 0.2, folder / "work", folder / "teacher", pool);
  };
  const Json first = train();
  const auto kept = first["cross_fit"]["kept"][0].get<std::size_t>();
  EXPECT_GT(kept, 0u);
  EXPECT_LE(kept, first["cross_fit"]["rows"].get<std::size_t>());
  EXPECT_EQ(Checkpoint::open(folder / "teacher").manifest()["training"]["cross_fit"],
            first["cross_fit"]);
  EXPECT_TRUE(std::filesystem::exists(folder / "work/contradicted.jsonl"));
  const auto answers = folder / "work/round1-fold1/answers.json";
  const auto written = std::filesystem::last_write_time(answers);
  EXPECT_EQ(train()["cross_fit"], first["cross_fit"]);
  EXPECT_EQ(std::filesystem::last_write_time(answers), written);
  std::filesystem::remove_all(folder);
}

TEST(CrossFit, SaysWhereItCannotJudge) {
  const auto silent = [](const std::string&, std::span<const Example>,
                         std::span<const Example> held) {
    return std::vector<std::string>(held.size());
  };
  const auto kind_of = [&](const Task& task, const CrossFit& options, int n) {
    try {
      cross_fit(task, rows(n, 0), options, 1, silent);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::io;  // none of those below
  };
  EXPECT_EQ(kind_of(parity(), {.folds = 4}, 40), ErrorKind::quality);
  EXPECT_EQ(kind_of(parity(), {.folds = 1}, 40), ErrorKind::usage);
  EXPECT_EQ(kind_of(parity(), {.folds = 4}, 3), ErrorKind::usage);
  Task free = parity();
  free.kind = TaskKind::generation;
  EXPECT_EQ(kind_of(free, {.folds = 4}, 40), ErrorKind::usage);
}

}  // namespace
}  // namespace limbeck::pipeline

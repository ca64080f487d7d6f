#include "limbeck/pipeline/cut_start.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "limbeck/pipeline/distill_task.h"
#include "limbeck/pipeline/small_model_test.h"
#include "limbeck/teacher/fault_modes_test.h"

namespace limbeck::pipeline {
namespace {

Architecture fresh_shape() {
  Architecture shape;
  shape.hidden = 16, shape.layers = 1, shape.heads = 2, shape.kv_heads = 2, shape.head_dim = 8;
  shape.ffn = 32, shape.context_length = 64, shape.rope_dim = 8, shape.attention_scale = 0.35;
  shape.tied_embeddings = true;
  return shape;
}

struct CutStart : testing::Test {
  CutStart() {
    std::filesystem::remove_all(folder);
    write_colours(folder / "task", 6);
    write_small_model(folder / "teacher", 1);
    task = read_task(folder / "task");
    training.options.max_steps = 3;
    training.options.batch_tokens = 64;
    labels.store = folder / "answers.sqlite";
    labels.request.signal = Signal::top_k;
    labels.request.k = 8;
  }
  ~CutStart() override { std::filesystem::remove_all(folder); }

  Json train(const TeacherChoice& teacher) {
    const Labelled labelled = label_task(teacher, task, labels, pool);
    return train_student(training, teacher.model, task, labelled, folder / "work",
                         folder / "student", pool);
  }

  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("limbeck-cut-" + std::to_string(::getpid()));
  Task task;
  LabelTask labels;
  StudentTraining training;
  ThreadPool pool{1};
};

TEST_F(CutStart, RoundsGoEvenlyFromTeacherToStudent) {
  Architecture a;
  a.vocab_size = 100, a.layers = 12, a.hidden = 64, a.ffn = 256, a.heads = 8, a.kv_heads = 4;
  a.head_dim = 8, a.rope_dim = 8, a.context_length = 64;
  StudentCut cut;
  cut.shape.layers = 4;
  cut.shape.heads = 4;
  EXPECT_GE(rounds_of(a, cut), 2);
  cut.rounds = 2;
  EXPECT_EQ(rounds_of(a, cut), 2);
  const auto first = shape_after(a, cut.shape, 1, 2), last = shape_after(a, cut.shape, 2, 2);
  EXPECT_EQ(first.layers, 8);
  EXPECT_EQ(first.heads, 6);
  EXPECT_EQ(first.hidden, 0) << "as the teacher";
  EXPECT_EQ(last.layers, 4);
  EXPECT_EQ(last.heads, 4);
}

TEST_F(CutStart, CutsTrainsAndTells) {
  if (!distill::can_train()) GTEST_SKIP() << "no trainer in this build";
  training.start.cut = StudentCut{{1, 0, 32, 0}, 2};
  training.start.cut->shape.layers = 0;  // both layers stay: the first and the last always do
  training.start.task_vocabulary = true;
  const Json result = train({(folder / "teacher").string(), {}, {}});
  EXPECT_EQ(result["soft_rows"], result["rows"]) << "soft labels follow the vocabulary";
  const Checkpoint student = Checkpoint::open(folder / "student");
  EXPECT_EQ(student.architecture().ffn, 32);
  const Json manifest = student.manifest();
  ASSERT_EQ(manifest["cut"].size(), 2u) << "what each round left out";
  EXPECT_EQ(manifest["cut"][1]["ffn"], 32);
  EXPECT_GT(manifest["cut"][0]["ffn"], 32);
  EXPECT_GT(manifest["training"]["before"]["tokens"], 0);
  EXPECT_EQ(manifest["training"]["tokens"],
            result["tokens"].get<std::int64_t>() +
                manifest["training"]["before"]["tokens"].get<std::int64_t>())
      << "the training between the rounds counts";
  EXPECT_LE(student.architecture().vocab_size,
            Checkpoint::open(folder / "teacher").architecture().vocab_size);
  EXPECT_EQ(student.manifest()["vocabulary"]["tokens"], student.architecture().vocab_size);
  EXPECT_TRUE(std::filesystem::exists(folder / "work/healed-1/config.json"));
}

TEST_F(CutStart, AFreshStudentKnowsTheTasksTokensAlone) {
  if (!distill::can_train()) GTEST_SKIP() << "no trainer in this build";
  training.start.shape = fresh_shape();
  training.start.task_vocabulary = true;
  const Json result = train({(folder / "teacher").string(), {}, {}});
  EXPECT_EQ(result["soft_rows"], result["rows"]) << "soft labels follow the vocabulary";
  const Checkpoint student = Checkpoint::open(folder / "student");
  const Checkpoint teacher = Checkpoint::open(folder / "teacher");
  EXPECT_LE(student.architecture().vocab_size, teacher.architecture().vocab_size);
  EXPECT_EQ(student.manifest()["vocabulary"]["of"], teacher.architecture().vocab_size);
  EXPECT_EQ(student.manifest()["vocabulary"]["tokens"], student.architecture().vocab_size);
  const std::string text = task.train[0].input.is_string() ? task.train[0].input.get<std::string>()
                                                           : to_text(task.train[0].input);
  EXPECT_EQ(student.tokenizer().decode(student.tokenizer().encode(text, false)), text);
}

TEST_F(CutStart, AnEndpointTeachesAFreshStudentByItsTexts) {
  if (!distill::can_train()) GTEST_SKIP() << "no trainer in this build";
  FakeServer server([](int, const std::string&, const std::string& body) {
    for (const char* colour : {"red", "green", "blue"}) {
      if (body.find(std::string("is ") + colour) != body.npos)
        return http_reply(200, completion_of(colour));
    }
    return http_reply(200, completion_of("red"));
  });
  labels.request.signal = Signal::text;
  training.soft_labels = false;
  training.start.shape = fresh_shape();
  training.start.vocab_size = 320;
  const TeacherChoice teacher{server.url() + "#big", {}, {}};
  const Json gated = gate(teacher, task, std::nullopt, 0.9, labels.store, pool);
  EXPECT_EQ(gated["value"], 1.0);
  const Json result = train(teacher);
  EXPECT_EQ(result["soft_rows"], 0);
  EXPECT_TRUE(std::filesystem::exists(folder / "student/config.json"));
  const int requests = server.requests();
  gate(teacher, task, std::nullopt, 0.9, labels.store, pool);
  label_task(teacher, task, labels, pool);
  EXPECT_EQ(server.requests(), requests) << "paid for twice";
  EXPECT_FALSE(gate(teacher, task, std::nullopt, 0, {}, pool).contains("value"));
  EXPECT_EQ(server.requests(), requests) << "a gate of 0 asks nothing";
}

}  // namespace
}  // namespace limbeck::pipeline

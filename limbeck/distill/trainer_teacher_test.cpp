// Training from a local teacher: its distribution, its inside, another vocabulary.
#include <fstream>

#include "limbeck/distill/trainer_fixture_test.h"

namespace limbeck::distill {
namespace {

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

}  // namespace
}  // namespace limbeck::distill

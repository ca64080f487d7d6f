// The store: what goes in comes out, nothing is asked twice, damage is survived.
#include "limbeck/teacher/answer_store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <functional>
#include <set>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/teacher/bit_stream.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "limbeck-store-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TeacherAnswer sample() {
  TeacherAnswer answer;
  answer.text = "a \"label\"\nübrigens";
  answer.ids = {7, 0, 49151};
  for (int i = 0; i < 4; ++i) answer.soft.push_back({{5, 3, 130}, {-0.25f, -1.5f, -9.0f}});
  answer.soft = unpack_soft_labels(pack_soft_labels(answer.soft));
  answer.prompt_tokens = 40;
  answer.answer_tokens = 3;
  answer.logprob = -1.25;
  return answer;
}

void expect_equal(const TeacherAnswer& a, const TeacherAnswer& b) {
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.ids, b.ids);
  ASSERT_EQ(a.soft.size(), b.soft.size());
  for (std::size_t i = 0; i < a.soft.size(); ++i) {
    EXPECT_EQ(a.soft[i].ids, b.soft[i].ids);
    EXPECT_EQ(a.soft[i].values, b.soft[i].values);
  }
  EXPECT_EQ(a.prompt_tokens, b.prompt_tokens);
  EXPECT_EQ(a.answer_tokens, b.answer_tokens);
  EXPECT_EQ(a.logprob, b.logprob);
}

TEST(SoftLabelBytes, RoundTripOfBothKinds) {
  const std::vector<SoftLabel> counts{{{3, 5, 70000}, {10, 1, 300}}, {{}, {}}, {{0}, {12}}};
  const auto back = unpack_soft_labels(pack_soft_labels(counts));
  ASSERT_EQ(back.size(), 3u);
  EXPECT_EQ(back[0].ids, counts[0].ids);
  EXPECT_EQ(back[0].values, counts[0].values);
  EXPECT_TRUE(back[1].ids.empty());
  EXPECT_TRUE(unpack_soft_labels("").empty());
}

TEST(SoftLabelBytes, LogProbabilitiesAreRoundedAsTheyMatter) {
  std::vector<SoftLabel> labels;
  for (const float logprob : {0.0f, -0.0001f, -0.7f, -2.0f, -4.6f, -9.2f, -13.8f, -200.0f}) {
    labels.push_back({{9, 2}, {logprob, logprob - 1}});
  }
  const auto back = unpack_soft_labels(pack_soft_labels(labels));
  ASSERT_EQ(back.size(), labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    EXPECT_EQ(back[i].ids.size(), 2u);
    for (std::size_t j = 0; j < 2; ++j) {
      const double p = std::exp(static_cast<double>(labels[i].values[j]));
      EXPECT_NEAR(std::exp(static_cast<double>(back[i].values[j])), p,
                  6e-4 * std::pow(p, 0.6) + 1e-9)
          << p;
    }
  }
  // What was rounded once stays.
  const auto again = unpack_soft_labels(pack_soft_labels(back));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    EXPECT_EQ(again[i].ids, back[i].ids);
    EXPECT_EQ(again[i].values, back[i].values);
  }
  EXPECT_EQ(back.back().ids, (std::vector<TokenId>{2, 9})) << "equal values: by id";
}

// Top 64 of 8,192 tokens, whose logits are in part the same at every position, as a language
// model's are.
TEST(SoftLabelBytes, TopKTakesLittle) {
  constexpr int kVocab = 8192, kTop = 64, kPositions = 100;
  Random random(1);
  std::vector<SoftLabel> labels;
  for (int position = 0; position < kPositions; ++position) {
    std::vector<std::pair<float, TokenId>> logits;
    for (TokenId id = 0; id < kVocab; ++id) {
      const double frequency = -std::log(1.0 + id);
      logits.emplace_back(static_cast<float>(frequency + 2 * random.normal()), id);
    }
    double sum = 0;
    for (const auto& [logit, id] : logits) sum += std::exp(static_cast<double>(logit));
    std::ranges::partial_sort(logits, logits.begin() + kTop, std::greater());
    SoftLabel& label = labels.emplace_back();
    for (int i = 0; i < kTop; ++i) {
      label.ids.push_back(logits[static_cast<std::size_t>(i)].second);
      label.values.push_back(logits[static_cast<std::size_t>(i)].first -
                             static_cast<float>(std::log(sum)));
    }
  }
  const std::string bytes = pack_soft_labels(labels);
  EXPECT_LT(bytes.size(), static_cast<std::size_t>(150 * kPositions));  // 4 bytes an entry: 256
  const auto back = unpack_soft_labels(bytes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    EXPECT_TRUE(std::ranges::is_permutation(back[i].ids, labels[i].ids));
    EXPECT_TRUE(std::ranges::is_sorted(back[i].values, std::greater()));
  }
}

TEST(BitStream, NumbersOfEverySize) {
  const std::vector<std::uint32_t> numbers{0, 1, 2, 23, 24, 1000, 0x7fffffff, 0xffffffff};
  for (unsigned k = 0; k <= kRiceLargest; ++k) {
    BitWriter out;
    std::uint64_t bits = 0;
    for (const std::uint32_t number : numbers) {
      out.rice(number, k);
      bits += rice_bits(number, k);
      if (number == 0) continue;
      out.gamma(number);
      bits += 2 * static_cast<std::uint64_t>(std::bit_width(number)) - 1;
    }
    const std::string bytes = out.take();
    EXPECT_EQ(bytes.size(), (bits + 7) / 8);
    BitReader in(bytes, "t");
    for (const std::uint32_t number : numbers) {
      EXPECT_EQ(in.rice(k), number);
      if (number != 0) {
        EXPECT_EQ(in.gamma(), number);
      }
    }
    in.end();
  }
}

TEST(SoftLabelBytes, EveryPrefixAndEveryFlippedByteIsAValueOrAnError) {
  const std::string good = pack_soft_labels(sample().soft);
  for (std::size_t n = 1; n < good.size(); ++n) {
    EXPECT_THROW(unpack_soft_labels(good.substr(0, n)), Error) << n;
  }
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const char bits : {'\x01', '\x80', '\xff'}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ bits);
      try {
        unpack_soft_labels(bad);
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::format);
      }
    }
  }
}

TEST(Store, KeepsAnswersAcrossOpenings) {
  const Folder folder;
  {
    AnswerStore store(folder / "deeper/store.sqlite");
    EXPECT_FALSE(store.find("k"));
    store.put("k", sample());
    TeacherAnswer plain;
    plain.text = "";
    store.put("empty", plain);
  }
  AnswerStore store(folder / "deeper/store.sqlite");
  EXPECT_EQ(store.size(), 2);
  EXPECT_EQ(store.answer_tokens(), 3);
  EXPECT_GT(store.file_bytes(), 0u);
  expect_equal(store.find("k").value(), sample());
  expect_equal(store.find("empty").value(), TeacherAnswer{});
}

TEST(Store, KilledWriterLosesNothingCommitted) {
  const Folder folder;
  const pid_t child = fork();
  if (child == 0) {
    AnswerStore store(folder / "s");
    for (int i = 0; i < 20; ++i) store.put(std::to_string(i), sample());
    _exit(0);  // as a kill: no destructor, no checkpoint of the log
  }
  int status = 0;
  waitpid(child, &status, 0);
  AnswerStore store(folder / "s");
  EXPECT_EQ(store.size(), 20);
  expect_equal(store.find("19").value(), sample());
}

TEST(Store, DamagedFileIsMovedAsideAndRebuilt) {
  const Folder folder;
  const fs::path path = folder / "s";
  write_file(path, std::string(5000, 'x'));
  {
    AnswerStore store(path);
    EXPECT_EQ(store.size(), 0);
    store.put("k", sample());
  }
  EXPECT_TRUE(fs::exists(folder / "s.damaged-1"));
  {  // a sound header over a destroyed page
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file << std::string(3000, '\xff');
  }
  AnswerStore store(path);
  EXPECT_EQ(store.size(), 0);
  EXPECT_TRUE(fs::exists(folder / "s.damaged-2"));
}

TEST(Store, TheFirstSchemaIsTakenOver) {
  const Folder folder;
  const fs::path path = folder / "s";
  {
    AnswerStore store(path);
    store.put("k", sample());
  }
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  sqlite3_exec(database, "DROP TABLE runs; PRAGMA user_version = 1", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  AnswerStore store(path);
  expect_equal(store.find("k").value(), sample());
  EXPECT_FALSE(store.find_speed("t"));
  store.record_run("t", 100, 2);
  store.record_run("t", 100, 3);
  EXPECT_EQ(store.find_speed("t"), 40);
}

TEST(Store, ForeignDatabaseIsLeftAlone) {
  const Folder folder;
  const fs::path path = folder / "other";
  {
    AnswerStore store(path);
    store.put("k", sample());
  }
  {  // another application's id, offset 68 of the header
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(68);
    file << "ABCD";
  }
  try {
    AnswerStore store(path);
    FAIL() << "opened";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
  }
  EXPECT_FALSE(fs::exists(folder / "other.damaged-1"));
}

// A teacher that repeats its input and counts what it was asked.
class Parrot : public Teacher {
 public:
  const std::string& identity() const override { return identity_; }
  void answer(const Task&, std::span<const Example> examples, const LabelRequest&,
              const Deliver& deliver) override {
    for (std::size_t i = examples.size(); i-- > 0;) {  // any order is allowed
      if (fail_after == 0) fail(ErrorKind::network, "gone");
      --fail_after;
      ++asked;
      TeacherAnswer answer;
      answer.text = examples[i].input.get<std::string>();
      answer.answer_tokens = 2;
      deliver(i, answer);
    }
  }
  int asked = 0, fail_after = 1000;

 private:
  std::string identity_ = "parrot";
};

std::vector<Example> items(int n) {
  std::vector<Example> out;
  for (int i = 0; i < n; ++i) out.push_back({"item " + std::to_string(i % 7), std::nullopt, ""});
  return out;
}

Task generation() {
  Task task;
  task.kind = TaskKind::generation;
  return task;
}

TEST(Label, AsksEachDifferentPromptOnceAndNeverAgain) {
  const Folder folder;
  AnswerStore store(folder / "s");
  Parrot parrot;
  LabelReport report;
  const auto all = items(10);
  std::size_t last_done = 0;
  const auto first = label(parrot, generation(), all, {}, &store, &report,
                           [&](std::size_t done) { last_done = done; });
  EXPECT_EQ(parrot.asked, 7);
  EXPECT_EQ(report.asked, 7);
  EXPECT_EQ(report.answer_tokens, 14);
  EXPECT_EQ(last_done, 10u);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(first[i].text, all[i].input);
  label(parrot, generation(), all, {}, &store, &report);
  EXPECT_EQ(parrot.asked, 7);
  EXPECT_EQ(report.from_store, 10);
  LabelRequest other;
  other.max_tokens = 5;
  label(parrot, generation(), all, other, &store);
  EXPECT_EQ(parrot.asked, 14);
}

TEST(Label, GoesOnWhereItWasStopped) {
  const Folder folder;
  AnswerStore store(folder / "s");
  Parrot parrot;
  parrot.fail_after = 4;
  EXPECT_THROW(label(parrot, generation(), items(7), {}, &store), Error);
  EXPECT_EQ(store.size(), 4);
  parrot.fail_after = 1000;
  LabelReport report;
  label(parrot, generation(), items(7), {}, &store, &report);
  EXPECT_EQ(report.asked, 3);
  EXPECT_EQ(parrot.asked, 7);
}

TEST(Key, DependsOnEverythingAnAnswerDependsOn) {
  const Task task = generation();
  const Json messages = Json::array({{{"role", "user"}, {"content", "hi"}}});
  std::set<std::string> keys;
  LabelRequest request;
  keys.insert(answer_key("a", task, messages, request));
  keys.insert(answer_key("b", task, messages, request));
  keys.insert(answer_key("a", task, Json::array(), request));
  request.signal = Signal::top_k;
  keys.insert(answer_key("a", task, messages, request));
  request.k = 8;
  keys.insert(answer_key("a", task, messages, request));
  request.temperature = 0.7;
  keys.insert(answer_key("a", task, messages, request));
  request.seed = 9;
  keys.insert(answer_key("a", task, messages, request));
  EXPECT_EQ(keys.size(), 7u);
  request = {};
  request.seed = 9;  // greedy text does not depend on the seed
  EXPECT_EQ(keys.count(answer_key("a", task, messages, request)), 1u);
}

}  // namespace
}  // namespace limbeck

#include "limbeck/quantize/journal.h"

#include <gtest/gtest.h>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/format/gguf.h"
#include "limbeck/quantize/importance.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::path(testing::TempDir()) /
        ("quantize-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

using Journals = Folder;
using Importances = Folder;

std::vector<std::byte> some_bytes(std::size_t n) { return std::vector<std::byte>(n, std::byte{7}); }

TEST_F(Journals, KeepPartsOfTheSameJobOnly) {
  const fs::path parts = folder_ / "out.parts";
  {
    Journal journal(parts, "job 1");
    EXPECT_FALSE(journal.find(0));
    journal.store(0, some_bytes(5), Json{{"name", "a"}});
  }
  Journal again(parts, "job 1");
  ASSERT_TRUE(again.find(0));
  EXPECT_EQ(again.find(0)->at("name"), "a");
  EXPECT_EQ(again.bytes(0), some_bytes(5));
  EXPECT_FALSE(again.find(1));
  Journal other(parts, "job 2");
  EXPECT_FALSE(other.find(0));
  other.remove();
  EXPECT_FALSE(fs::exists(parts));
}

TEST_F(Journals, DistrustPartsThatAreNotWhole) {
  Journal journal(folder_ / "out.parts", "job");
  journal.store(3, some_bytes(5), Json::object());
  write_file(folder_ / "out.parts" / "3.bin", "1234");
  EXPECT_FALSE(journal.find(3));
}

TEST_F(Journals, HoldWhatTheyCanAndKeepTheRest) {
  const fs::path parts = folder_ / "out.parts";
  Journal journal(parts, "job", {.seconds = 1000, .bytes = 10});
  journal.store(0, some_bytes(5), Json{{"name", "a"}});
  EXPECT_FALSE(fs::exists(parts));
  EXPECT_EQ(journal.find(0)->at("name"), "a");
  EXPECT_EQ(*journal.held(0), some_bytes(5));
  journal.store(1, some_bytes(6), Json{{"name", "b"}});  // too many now
  EXPECT_FALSE(journal.held(0));
  journal.store(2, some_bytes(1), Json{{"name", "c"}});
  EXPECT_FALSE(journal.held(2));
  Journal again(parts, "job", {.seconds = 1000, .bytes = 10});
  for (const std::size_t index : {0u, 1u, 2u}) {
    ASSERT_TRUE(again.find(index));
    EXPECT_EQ(again.bytes(index), journal.bytes(index));
  }
  again.remove();
  EXPECT_FALSE(fs::exists(parts));
}

TEST_F(Journals, KeepWhatTookTooLong) {
  Journal journal(folder_ / "out.parts", "job", {.seconds = 1e-9, .bytes = 1000});
  journal.store(0, some_bytes(5), Json::object());
  EXPECT_FALSE(journal.held(0));
  EXPECT_TRUE(fs::exists(folder_ / "out.parts" / "0.json"));
}

TEST_F(Journals, LeaveForeignFoldersAlone) {
  write_file(folder_ / "precious.txt", "x");
  EXPECT_THROW(Journal(folder_, "job"), Error);
  EXPECT_TRUE(fs::exists(folder_ / "precious.txt"));
}

Importance sample() {
  Importance importance;
  importance.datasets = {"a.txt"};
  importance.chunk_count = 3;
  importance.chunk_size = 512;
  importance.entries["blk.0.attn_q.weight"] = {{2, 4, 0, 8}, 4};
  importance.entries["blk.0.ffn_down.weight"] = {{0, 0}, 4};
  return importance;
}

TEST_F(Importances, RoundTripThroughAFile) {
  write_importance(folder_ / "i.gguf", sample());
  const Importance back = read_importance(folder_ / "i.gguf");
  EXPECT_EQ(back.datasets, sample().datasets);
  EXPECT_EQ(back.chunk_count, 3u);
  EXPECT_EQ(back.chunk_size, 512u);
  ASSERT_EQ(back.entries.size(), 5u);  // attn_k, attn_v and attn_qkv have attn_q's
  EXPECT_EQ(back.entries.at("blk.0.attn_q.weight").sum_squares, (std::vector<float>{2, 4, 0, 8}));
  EXPECT_EQ(back.entries.at("blk.0.attn_q.weight").count, 4);
}

TEST_F(Importances, AreMeansSharedByMatricesOfOneInput) {
  const Importance importance = sample();
  const std::vector<float> mean = importance.of("blk.0.attn_v.weight");
  ASSERT_EQ(mean.size(), 4u);
  EXPECT_EQ(mean[1], 1.0f);
  EXPECT_GT(mean[2], 0.0f);  // no input came through: little, but not nothing
  EXPECT_LT(mean[2], 1e-3f);
  EXPECT_TRUE(importance.of("blk.0.ffn_down.weight").empty());  // nothing ever came in
  EXPECT_TRUE(importance.of("blk.0.ffn_up.weight").empty());
}

TEST_F(Importances, RefuseOtherFilesAndBadNumbers) {
  write_gguf(folder_ / "m.gguf", {{"general.type", std::string("model")}}, {});
  EXPECT_THROW(read_importance(folder_ / "m.gguf"), Error);
  Importance bad = sample();
  bad.entries["blk.0.attn_q.weight"].sum_squares[0] = -1;
  write_importance(folder_ / "b.gguf", bad);
  EXPECT_THROW(read_importance(folder_ / "b.gguf"), Error);
  // Each a number, but their mean is none: of() would say infinity.
  bad.entries["blk.0.attn_q.weight"] = {{3e38f, 1, 0, 0}, 1e-3};
  write_importance(folder_ / "b.gguf", bad);
  EXPECT_THROW(read_importance(folder_ / "b.gguf"), Error);
}

}  // namespace
}  // namespace limbeck

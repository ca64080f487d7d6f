#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/format/safetensors.h"
#include "limbeck/format/shard_index.h"

namespace limbeck {
namespace {
namespace fs = std::filesystem;

class SafetensorsFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / fmt::format("safetensors_folder_{}", ::getpid());
    fs::remove_all(root_);
    folder_ = root_ / "model";
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(root_); }

  static void put(const fs::path& path, std::initializer_list<std::string> names) {
    static const std::vector<std::byte> bytes(4);
    std::vector<StoredTensor> tensors;
    for (const std::string& name : names) tensors.push_back({name, TensorType::f32, {1}, bytes});
    write_safetensors(path, tensors);
  }
  void put_index(const std::string& weight_map) const {
    write_file(folder_ / "model.safetensors.index.json",
               R"({"metadata":{"total_size":8},"weight_map":)" + weight_map + "}");
  }
  ErrorKind refusal() const {
    try {
      SafetensorsFolder::open(folder_);
    } catch (const Error& error) {
      return error.kind();
    }
    ADD_FAILURE() << "accepted";
    return ErrorKind::io;
  }

  fs::path root_, folder_;
};

TEST_F(SafetensorsFolderTest, OneFileOrShards) {
  put(folder_ / "s1.safetensors", {"a", "b"});
  put(folder_ / "s2.safetensors", {"c"});
  put_index(R"({"c":"s2.safetensors","a":"s1.safetensors","b":"s1.safetensors"})");
  const auto sharded = SafetensorsFolder::open(folder_);
  EXPECT_EQ(sharded.tensors().size(), 3u);
  ASSERT_NE(sharded.find("c"), nullptr);
  EXPECT_EQ(sharded.find("d"), nullptr);
  put(folder_ / "model.safetensors", {"d"});
  EXPECT_NE(SafetensorsFolder::open(folder_).find("d"), nullptr);
}

TEST_F(SafetensorsFolderTest, ShardsThatDisagreeWithTheIndex) {
  put(folder_ / "s1.safetensors", {"a"});
  put(folder_ / "s2.safetensors", {"a", "b"});
  put_index(R"({"a":"s1.safetensors","b":"s2.safetensors"})");
  EXPECT_EQ(refusal(), ErrorKind::format);  // a is in both
  put_index(R"({"a":"s1.safetensors","z":"s1.safetensors"})");
  EXPECT_EQ(refusal(), ErrorKind::format);  // z is nowhere
  put_index(R"({"b":"s2.safetensors"})");
  EXPECT_EQ(refusal(), ErrorKind::format);  // a is not in the index
  put_index(R"({"a":"s1.safetensors","b":"s3.safetensors"})");
  EXPECT_EQ(refusal(), ErrorKind::usage);  // no such file
}

TEST_F(SafetensorsFolderTest, LinksStayInside) {
  put(root_ / "outside.safetensors", {"a"});
  fs::create_symlink(root_ / "outside.safetensors", folder_ / "s1.safetensors");
  put_index(R"({"a":"s1.safetensors"})");
  EXPECT_EQ(refusal(), ErrorKind::format);
  fs::create_symlink(root_ / "outside.safetensors", folder_ / "model.safetensors");
  EXPECT_EQ(refusal(), ErrorKind::format);
}

TEST_F(SafetensorsFolderTest, LinksOfTheHuggingFaceCacheAreFollowed) {
  const fs::path repository = root_ / "models--org--name";
  folder_ = repository / "snapshots" / "0123";
  fs::create_directories(folder_);
  put(repository / "blobs" / "abcd", {"a"});
  fs::create_symlink("../../blobs/abcd", folder_ / "model.safetensors");
  EXPECT_NE(SafetensorsFolder::open(folder_).find("a"), nullptr);
}

TEST_F(SafetensorsFolderTest, NothingOrAPickle) {
  EXPECT_EQ(refusal(), ErrorKind::usage);
  write_file(folder_ / "pytorch_model.bin", "x");
  EXPECT_EQ(refusal(), ErrorKind::unsupported);
  folder_ /= "missing";
  EXPECT_EQ(refusal(), ErrorKind::usage);
}

TEST(ShardIndex, RefusesNamesThatCouldLeaveTheFolder) {
  for (const char* name : {"../x", "/etc/passwd", "a/b", "..", ".", ".hidden", "", "a\\\\b", "a b",
                           "a\\u0000b", "\xc3\xa9", "~", "C:x", "a\\n"}) {
    const std::string text = fmt::format(R"({{"weight_map":{{"t":"{}"}}}})", name);
    EXPECT_THROW(parse_shard_index(text, "i"), Error) << name;
  }
  EXPECT_THROW(parse_shard_index(R"({"weight_map":{"t":")" + std::string(256, 'a') + "\"}}", "i"),
               Error);
  EXPECT_EQ(parse_shard_index(R"({"weight_map":{"t":"A-z_0.9"}})", "i").shards.front(), "A-z_0.9");
}

TEST(ShardIndex, RefusesOtherShapes) {
  for (const char* text : {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{"t":1}})",
                           R"({"weight_map":null})", R"({"weight_map":{"t":"a","t":"b"}})",
                           R"({"weight_map":{"t":["a"]}})", "7", "{\"weight_map\":{\"t\":\"a\"}",
                           R"({"weight_map":{"t":true}})", R"({"weight_map":"a"})", "null",
                           R"({"weight_map":{"t":{"a":1}}})", "{\"weight_map\":{\"\xff\":\"a\"}}",
                           R"({"weight_map":{},"weight_map":{}})", "\"weight_map\""}) {
    EXPECT_THROW(parse_shard_index(text, "i"), Error) << text;
  }
  std::string many = "{\"weight_map\":{";
  for (int i = 0; i <= 10'000; ++i) many += fmt::format("\"t{}\":\"s{}\",", i, i);
  EXPECT_THROW(parse_shard_index(many + "\"x\":\"y\"}}", "i"), Error);
}

}  // namespace
}  // namespace limbeck

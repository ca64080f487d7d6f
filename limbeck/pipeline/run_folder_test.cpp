#include "limbeck/pipeline/run_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"

namespace limbeck::pipeline {
namespace {

struct RunFolderTest : testing::Test {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("limbeck_run_folder_" + std::to_string(::getpid()));
  void SetUp() override { std::filesystem::remove_all(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }
};

TEST_F(RunFolderTest, AFinishedStageIsNotRedone) {
  int calls = 0;
  const auto work = [&] { return Json{{"calls", ++calls}}; };
  {
    RunFolder run(folder);
    EXPECT_EQ(run.stage("label", "key", work).at("calls"), 1);
    EXPECT_EQ(run.stage("label", "key", work).at("calls"), 1);
  }
  RunFolder again(folder);
  EXPECT_EQ(again.stage("label", "key", work).at("calls"), 1);
  EXPECT_EQ(again.stage("label", "other key", work).at("calls"), 2);
}

TEST_F(RunFolderTest, AStageThatFailedIsRedone) {
  {
    RunFolder run(folder);
    EXPECT_THROW(run.stage("gate", "key", []() -> Json { fail(ErrorKind::quality, "too low"); }),
                 Error);
  }
  RunFolder again(folder);
  EXPECT_EQ(again.stage("gate", "key", [] { return Json(7); }), 7);
}

TEST_F(RunFolderTest, AKilledStageIsRedone) {
  const pid_t child = ::fork();
  if (child == 0) {
    RunFolder run(folder);
    run.stage("distill", "key", []() -> Json { ::_exit(9); });
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(WEXITSTATUS(status), 9);
  RunFolder again(folder);
  EXPECT_EQ(again.stage("distill", "key", [] { return Json("done"); }), "done");
}

TEST_F(RunFolderTest, WhatAKilledProcessWasWritingIsRemoved) {
  {
    RunFolder(folder).stage("label", "key", [] { return Json(1); });
  }
  const auto models = folder / "models";
  std::filesystem::create_directories(models / "..student.dev-77.tmp-77-abc");
  std::filesystem::create_directories(models / ".student.rollout-77");
  write_file(models / "..student.dev-77.tmp-77-abc" / ".model.safetensors.tmp-77-1", "half");
  write_file(models / ".notes", "kept");
  write_file(models / "a.tmp-1", "kept");
  const RunFolder again(folder);
  EXPECT_FALSE(std::filesystem::exists(models / "..student.dev-77.tmp-77-abc"));
  EXPECT_FALSE(std::filesystem::exists(models / ".student.rollout-77"));
  EXPECT_TRUE(std::filesystem::exists(models / ".notes"));
  EXPECT_TRUE(std::filesystem::exists(models / "a.tmp-1"));
}

TEST_F(RunFolderTest, ASecondProcessIsRefused) {
  RunFolder run(folder);
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      RunFolder second(folder);
    } catch (const Error& error) {
      ::_exit(error.kind() == ErrorKind::io ? 5 : 1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 5);
}

TEST_F(RunFolderTest, DamagedStateIsRefused) {
  { RunFolder run(folder); }
  write_file(folder / "status.json", "{\"schema\": \"something else\"}");
  EXPECT_THROW(RunFolder{folder}, Error);
  write_file(folder / "status.json", "{\"schema\"");
  EXPECT_THROW(RunFolder{folder}, Error);
}

TEST_F(RunFolderTest, TheNewestRunIsFound) {
  std::filesystem::create_directories(folder / "2026-01-01T00-00-00Z-task-01234567");
  std::filesystem::create_directories(folder / "2026-02-01T00-00-00Z-task-01234567");
  std::filesystem::create_directories(folder / "2026-03-01T00-00-00Z-other-01234567");
  EXPECT_EQ(newest_run_folder(folder, "task", "0123456789")->filename(),
            "2026-02-01T00-00-00Z-task-01234567");
  EXPECT_FALSE(newest_run_folder(folder, "task", "ffffffffff"));
}

TEST_F(RunFolderTest, ContentHashSeesNamesAndContents) {
  write_file(folder / "a.txt", "one");
  const std::string before = content_hash(folder);
  EXPECT_EQ(content_hash(folder), before);
  write_file(folder / "a.txt", "two");
  EXPECT_NE(content_hash(folder), before);
  EXPECT_THROW(content_hash(folder / "missing"), Error);
}

}  // namespace
}  // namespace limbeck::pipeline

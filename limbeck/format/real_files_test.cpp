// Every model file of the shared data folder must read; skipped where the folder is not there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "limbeck/base/error.h"
#include "limbeck/format/gguf.h"
#include "limbeck/format/rows.h"
#include "limbeck/format/safetensors.h"

namespace limbeck {
namespace {
namespace fs = std::filesystem;

fs::path data_folder() {
  const char* named = std::getenv("LIMBECK_TEST_DATA");
  return named != nullptr ? fs::path(named) : fs::path(LIMBECK_SOURCE_DIR) / "../shared/data";
}

TEST(RealFiles, AllModelFilesRead) {
  if (!fs::exists(data_folder())) GTEST_SKIP() << "no " << data_folder();
  int gguf = 0, safetensors = 0, tensors = 0;
  for (const auto& entry : fs::recursive_directory_iterator(data_folder())) {
    const auto extension = entry.path().extension();
    SCOPED_TRACE(entry.path());
    if (extension == ".gguf") {
      const auto reader = GgufReader::open(entry.path());
      EXPECT_NE(reader.text("general.architecture"), nullptr);
      tensors += static_cast<int>(reader.tensors().size());
      ++gguf;
    } else if (extension == ".safetensors") {
      const auto folder = SafetensorsFolder::open(entry.path().parent_path());
      EXPECT_FALSE(folder.tensors().empty());
      ++safetensors;
    }
  }
  EXPECT_GE(gguf, 4);
  EXPECT_GE(safetensors, 2);
  EXPECT_GE(tensors, 48);
}

TEST(RealFiles, AllRowsRead) {
  const fs::path tasks = data_folder() / "tasks";
  if (!fs::exists(tasks)) GTEST_SKIP() << "no " << tasks;
  EXPECT_EQ(read_rows(tasks / "banking77" / "train.csv").size(), 10'003u);
  EXPECT_EQ(read_rows(tasks / "banking77" / "test.csv").size(), 3'080u);
  EXPECT_EQ(read_rows(tasks / "gsm8k" / "train.jsonl").size(), 7'473u);
}

}  // namespace
}  // namespace limbeck

#include "limbeck/base/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

namespace limbeck {
namespace {

std::string captured(const std::function<void()>& action) {
  testing::internal::CaptureStderr();
  action();
  return testing::internal::GetCapturedStderr();
}

TEST(Progress, PlainFinalLineOffATerminal) {
  const std::string text = captured([] {
    Progress progress("train", 10, "steps");
    for (std::uint64_t i = 1; i <= 10; ++i) progress.update(i);
    progress.finish("loss 1.5");
  });
  EXPECT_EQ(text.substr(0, 30), "train 10/10 100 %  loss 1.5  i") << text;
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Progress, QuietSaysNothing) {
  set_verbosity(Verbosity::quiet);
  EXPECT_EQ(captured([] {
              Progress progress("x", 0, "B");
              progress.update(5);
              progress.finish();
              say("line");
            }),
            "");
  set_verbosity(Verbosity::normal);
}

TEST(Progress, SayEscapesAndVerboseIsOptional) {
  EXPECT_EQ(captured([] { say("a\x1b[2J"), say_verbose("b"); }), "a\\x1b[2J\n");
  set_verbosity(Verbosity::verbose);
  EXPECT_EQ(captured([] { say_verbose("b"); }), "b\n");
  set_verbosity(Verbosity::normal);
}

TEST(Progress, NeverStartedLeavesNothing) {
  EXPECT_EQ(captured([] { const Progress progress("x", 3, "items"); }), "");
}

}  // namespace
}  // namespace limbeck

#include "limbeck/base/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

// In a child each: signals are for the whole process.
TEST(Interrupt, FirstSignalIsAFlagAndTheSecondSigintEnds) {
  EXPECT_EXIT(
      {
        install_interrupt_handler();
        if (interrupted() || interrupt_exit_code() != 0) std::_Exit(1);
        std::raise(SIGTERM);
        if (!interrupted() || interrupt_exit_code() != 7) std::_Exit(2);
        try {
          stop_if_interrupted("go on with --resume");
        } catch (const Error& error) {
          if (error.kind() != ErrorKind::interrupted) std::_Exit(3);
          std::_Exit(error.remedy() == "go on with --resume" ? 42 : 4);
        }
        std::_Exit(5);
      },
      testing::ExitedWithCode(42), "");
  EXPECT_EXIT(
      {
        install_interrupt_handler();
        std::raise(SIGINT);
        if (interrupt_exit_code() != 130) std::_Exit(1);
        std::raise(SIGINT);
        std::_Exit(2);
      },
      testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace limbeck

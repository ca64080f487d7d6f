// SIGINT and SIGTERM as a flag: long loops look at it, checkpoint, and stop. A second SIGINT ends
// at once.
#pragma once

namespace limbeck {

void install_interrupt_handler();
bool interrupted() noexcept;
// 130 after SIGINT, 7 after SIGTERM, 0 otherwise.
int interrupt_exit_code() noexcept;
// Throws Error{interrupted} if a signal came; `resume` tells how to go on.
void stop_if_interrupted(const char* resume);

}  // namespace limbeck

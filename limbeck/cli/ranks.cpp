#include "limbeck/cli/ranks.h"

#include <cstdio>
#include <cstdlib>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"

namespace limbeck::cli {
namespace {

int code_of(const Error& error) {
  const int stopped = error.kind() == ErrorKind::interrupted ? interrupt_exit_code() : 0;
  return stopped != 0 ? stopped : exit_code(error.kind());
}

int follow_quietly(distill::Ranks& ranks, int rank) {
  set_verbosity(Verbosity::quiet);
  try {
    return distill::follow(ranks);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) return code_of(error);  // rank 0 says so
    std::string text =
        fmt::format("rank {}: error[{}]: {}\n", rank, name(error.kind()), safe_tty(error.what()));
    if (!error.remedy().empty()) text += "  try: " + safe_tty(error.remedy()) + '\n';
    std::fputs(text.c_str(), stderr);
    return code_of(error);
  }
}

}  // namespace

int on_ranks(const CommonOptions& common, const std::function<int(distill::Ranks*)>& lead) {
  const auto world = distill::read_world([](const char* name) { return std::getenv(name); });
  if (world.size == 1) return lead(nullptr);
  const auto ranks = distill::join(world, common.threads);
  if (world.rank > 0) return follow_quietly(*ranks, world.rank);
  try {
    const int code = lead(ranks.get());
    distill::dismiss(*ranks, code);
    return code;
  } catch (const Error& error) {
    distill::dismiss(*ranks, code_of(error));
    throw;
  } catch (...) {
    distill::dismiss(*ranks, 1);
    throw;
  }
}

}  // namespace limbeck::cli

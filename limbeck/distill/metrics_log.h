// What a run says about itself while it trains: metrics.jsonl, and TensorBoard's events beside it.
#pragma once

#include <filesystem>
#include <fstream>
#include <optional>

#include "limbeck/base/json.h"
#include "limbeck/distill/event_file.h"

namespace limbeck::distill {

class MetricsLog {
 public:
  // Nothing is written until `open`.
  MetricsLog() = default;
  // Lines after `step` (of a run that was killed and now goes on from there) are dropped; step 0
  // starts anew. Events go to the folder "metrics.tensorboard" for "metrics.jsonl". Throws
  // Error{io}.
  void open(const std::filesystem::path& file, std::int64_t step, bool events);

  // One line {"step": .., ..}; its numbers are scalars of that step.
  void add(const Json& line);

 private:
  std::ofstream file_;
  std::optional<EventFile> events_;
};

}  // namespace limbeck::distill

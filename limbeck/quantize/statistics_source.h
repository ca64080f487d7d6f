// Second moments for the solver, gathered as its tensors come up: as many at a time as fit in
// memory, each pass one forward over the calibration text.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "limbeck/quantize/calibration.h"

namespace limbeck {

class StatisticsSource {
 public:
  struct Options {
    std::uint64_t memory_bytes = std::uint64_t{1} << 30;  // for second moments held at once
    // Inputs as the layers before, already rounded, make them, gathered layer by layer: closer to
    // what the file will compute, at a forward pass a layer.
    bool sequential = false;
  };

  // `inputs`: (name, columns) of the inputs that will be asked for, in that order, each once.
  // Everything referred to must outlive this.
  StatisticsSource(const Checkpoint& checkpoint, const CalibrationText& text,
                   std::vector<std::pair<std::string, std::int64_t>> inputs, const Options& options,
                   ThreadPool& pool);

  // Second moments of an input (input_name), gathered now with those that follow if need be; what
  // came before is forgotten. nullptr if the model gives no such input.
  const Hessian* find(const std::string& input);

  // Importance of all layers; gathered now if no pass has been made.
  const Importance& importance();

 private:
  void gather(std::size_t first);

  const Checkpoint& checkpoint_;
  const CalibrationText& text_;
  std::vector<std::pair<std::string, std::int64_t>> inputs_;
  Options options_;
  ThreadPool& pool_;
  std::map<std::string, Hessian, std::less<>> held_;
  Importance importance_;
  bool has_importance_ = false;
};

}  // namespace limbeck

// Second moments for the solver, gathered as its tensors come up: as many at a time as fit in
// memory, each pass one forward over the calibration text.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "limbeck/quantize/calibration.h"
#include "limbeck/quantize/plan.h"

namespace limbeck {

// The name under which a matrix's input is known to the forward pass: as input_name, but a model
// without a gate knows its FFN's input as ffn_up.
std::string input_of(const Architecture& architecture, std::string_view name);
// Whether the matrix is multiplied with an input at all: an untied embedding is only looked up.
bool has_input(const Architecture& architecture, const PlannedTensor& tensor);

class StatisticsSource {
 public:
  struct Options {
    std::uint64_t moment_bytes = std::uint64_t{1} << 30;  // of second moments held at once
    LayeredOptions layered = {};                          // of the forward passes
    // Layer by layer, each with the inputs that the layers before, already rounded, make: closer to
    // what the file will compute. Costs two passes over the model.
    bool sequential = false;
  };

  // For the inputs of `plan`'s matrices, in its order. Everything referred to must outlive this.
  StatisticsSource(const Checkpoint& checkpoint, const TokenSequences& sequences, const Plan& plan,
                   const Options& options, ThreadPool& pool);

  // Second moments of an input, gathered now with those that follow if need be; what came before is
  // forgotten. nullptr if it is the input of no matrix.
  const Hessian* find(const std::string& input);

  // Inputs with the same number are gathered together, from the model as it is then. nullopt: the
  // input of no matrix.
  std::optional<std::size_t> group_of(const std::string& input) const;

 private:
  std::optional<std::size_t> index_of(const std::string& input) const;
  std::size_t group_end(std::size_t first) const;
  void gather(std::size_t first);
  void run(LayeredForward& forward, const InputRange& range,
           const std::set<std::string, std::less<>>& names);
  LayeredOptions layered();

  const Checkpoint& checkpoint_;
  const TokenSequences& sequences_;
  std::vector<std::pair<std::string, std::int64_t>> inputs_;  // name, columns
  Options options_;
  ThreadPool& pool_;
  std::map<std::string, Hessian, std::less<>> held_;
  std::unique_ptr<LayeredForward> forward_;  // as far as the layers have been rounded
  std::function<void()> on_sequence_;
  std::uint64_t done_ = 0;
};

}  // namespace limbeck

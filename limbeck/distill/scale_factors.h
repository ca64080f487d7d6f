// What healing trains of a rounded model: a factor on every binary16 number of its blocks and,
// where asked, on every element of the vectors.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/distill/block_scales.h"
#include "limbeck/distill/parameters.h"

namespace limbeck::distill {

class ScaleFactors {
 public:
  // `student` holds the weights of `rounded`, in which each matrix has its rounded bytes. Throws
  // Error{usage} where no matrix has scales.
  ScaleFactors(const Checkpoint& rounded, std::shared_ptr<Parameters> student, bool vectors);

  // Writes the weights that the factors give to the student.
  void apply();
  // Takes the gradient of the factors from that of the student's weights, which becomes zero.
  void take_gradient();
  // One step of Adam, the first is number 1.
  void descend(double rate, std::int64_t step);
  // By canonical name: each matrix with scales in its type, each vector in f32.
  std::map<std::string, std::vector<std::byte>> bytes() const;

  // A factor is 1 + its value here; Adam's two moments.
  std::vector<float> values, first, second;

 private:
  // A tensor and its place among the factors. Without `scales` it is a vector, a factor an element.
  struct Trained {
    std::string name;
    std::int64_t offset, count;  // in the parameters
    std::size_t first, factors;
    std::optional<BlockScales> scales;
    std::vector<float> stored;  // of a vector
    float shift = 0;            // added to a norm's weights where the model adds it
  };

  void add(const ParameterSlot& slot, const Checkpoint& rounded, bool vectors);
  std::span<const float> own(const Trained& tensor) const {
    return std::span(values).subspan(tensor.first, tensor.factors);
  }
  std::vector<float> scaled_vector(const Trained& tensor) const;
  std::vector<std::byte> bytes_of(const Trained& tensor) const;

  std::shared_ptr<Parameters> student_;
  std::vector<Trained> trained_;
  std::size_t n_factors_ = 0;
  std::vector<float> gradient_;
};

}  // namespace limbeck::distill

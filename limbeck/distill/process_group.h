// c10d as it is in libtorch 1.13 and 2.x, for ranks.cpp alone.
#pragma once

#include <memory>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "limbeck/distill/torch.h"
#include "limbeck/distill/world.h"

namespace limbeck::distill {

// Throws what libtorch throws; Error{unsupported} where it was built without Gloo.
class ProcessGroup {
 public:
  explicit ProcessGroup(const World& world);
  ~ProcessGroup();

  c10d::Store& store();
  void sum(const at::Tensor& tensor);
  void broadcast(const at::Tensor& bytes, int root);

 private:
  struct Backends;
  std::unique_ptr<Backends> backends_;
};

}  // namespace limbeck::distill

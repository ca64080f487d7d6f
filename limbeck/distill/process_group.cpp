#include "limbeck/distill/process_group.h"

#include "limbeck/base/error.h"

#ifdef LIMBECK_GLOO
#ifndef USE_C10D_GLOO  // the headers' own guard; Debian's CMake files set it, others do not
#define USE_C10D_GLOO
#endif
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif
#ifdef LIMBECK_NCCL
#ifndef USE_C10D_NCCL
#define USE_C10D_NCCL
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace limbeck::distill {

#ifdef LIMBECK_GLOO
namespace {

std::chrono::milliseconds timeout_of(const World& world) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(world.timeout_s * 1000));
}

c10::intrusive_ptr<c10d::Store> make_store(const World& world) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(world.port);
  options.isServer = world.rank == 0;
  options.numWorkers = static_cast<std::size_t>(world.size);
  options.timeout = timeout_of(world);
  return c10::make_intrusive<c10d::TCPStore>(world.address, options);
}

auto make_gloo(const World& world, const c10::intrusive_ptr<c10d::Store>& store) {
  using Gloo = c10d::ProcessGroupGloo;
  auto options = Gloo::Options::create(timeout_of(world));
  // The address that peers connect to: the machine's name may mean 127.0.1.1 or nothing at all.
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  options->devices.push_back(interface && *interface ? Gloo::createDeviceForInterface(interface)
                             : world.local_size == world.size
                                 ? Gloo::createDeviceForHostname("127.0.0.1")
                                 : Gloo::createDefaultDevice());
  return c10::make_intrusive<Gloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", store),
                                   world.rank, world.size, options);
}

}  // namespace

struct ProcessGroup::Backends {
  explicit Backends(const World& w) : world(w), store(make_store(w)), gloo(make_gloo(w, store)) {}

  // On the tensor's own device where a backend is there for it, else on a copy.
  template <typename F>
  void run(const at::Tensor& tensor, F&& f) {
    if (tensor.device().is_cpu()) {
      std::vector<at::Tensor> list{tensor};
      f(*gloo, list)->wait();
      return;
    }
#ifdef LIMBECK_NCCL
    if (!nccl) {
      auto options = c10d::ProcessGroupNCCL::Options::create();
      options->timeout = timeout_of(world);
      nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(
          c10::make_intrusive<c10d::PrefixStore>("nccl", store), world.rank, world.size, options);
    }
    std::vector<at::Tensor> list{tensor};
    f(*nccl, list)->wait();
#else
    std::vector<at::Tensor> list{tensor.cpu()};
    f(*gloo, list)->wait();
    tensor.copy_(list[0]);
#endif
  }

  World world;
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
#ifdef LIMBECK_NCCL
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl;  // made when a GPU is first used
#endif
};

ProcessGroup::ProcessGroup(const World& world) : backends_(std::make_unique<Backends>(world)) {}

c10d::Store& ProcessGroup::store() { return *backends_->store; }

void ProcessGroup::sum(const at::Tensor& tensor) {
  backends_->run(tensor, [](auto& group, auto& list) { return group.allreduce(list); });
}

void ProcessGroup::broadcast(const at::Tensor& bytes, int root) {
  c10d::BroadcastOptions options;
  options.rootRank = root;
  backends_->run(bytes, [&](auto& group, auto& list) { return group.broadcast(list, options); });
}

#else

struct ProcessGroup::Backends {};

ProcessGroup::ProcessGroup(const World&) {
  fail_try(ErrorKind::unsupported, "start one process, or build with libgloo-dev",
           "several ranks cannot train together: this program was built without Gloo");
}

c10d::Store& ProcessGroup::store() { throw std::logic_error("no process group"); }
void ProcessGroup::sum(const at::Tensor&) {}
void ProcessGroup::broadcast(const at::Tensor&, int) {}

#endif

ProcessGroup::~ProcessGroup() = default;

}  // namespace limbeck::distill

#include "limbeck/distill/ranks.h"

#include <chrono>
#include <thread>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/distill/process_group.h"

namespace limbeck::distill {
namespace {

constexpr const char* kEnd = "end";
constexpr std::size_t kInStore = 4096;  // bytes that go through the store itself
constexpr auto kFarewell = std::chrono::seconds(5);

using Bytes = std::vector<std::uint8_t>;
Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

// Bytes of any type, which is all that a copy needs to see.
at::Tensor as_bytes(const at::Tensor& tensor) { return tensor.view({-1}).view(at::kByte); }

// The first line, without libtorch's source lines and stack.
std::string reason(const std::exception& error) {
  const std::string what = error.what();
  return what.substr(0, what.find('\n'));
}

// Calls of libtorch throw all kinds of exceptions when a peer is gone.
template <typename F>
auto together(const World& world, F&& f) {
  try {
    return f();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    stop_if_interrupted("start all ranks again: they go on from the checkpoint");
    fail_try(ErrorKind::network,
             "see what the other ranks say; start all of them again, with any number of ranks, to "
             "go on from the last checkpoint (slow steps: LIMBECK_RANK_TIMEOUT=SECONDS)",
             "rank {} of {}: another rank is lost, or did not come within {} s: {}", world.rank,
             world.size, world.timeout_s, reason(error));
  }
}

}  // namespace

Ranks::Ranks(const World& world, int threads) : world_(world), threads_(threads) {
  if (threads_ == 0) {
    const auto cores = static_cast<int>(std::thread::hardware_concurrency());
    threads_ = std::max(1, cores / world.local_size);
  }
  try {
    group_ = std::make_unique<ProcessGroup>(world);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    fail_try(ErrorKind::network,
             "check MASTER_ADDR and MASTER_PORT (free, and reachable from every rank; "
             "GLOO_SOCKET_IFNAME names the network device), and that all ranks were started",
             "rank {} of {}: no meeting at {}:{} within {} s: {}", world.rank, world.size,
             world.address, world.port, world.timeout_s, reason(error));
  }
  if (first()) say(fmt::format("{} ranks, {} threads each here", world.size, threads_));
}

Ranks::~Ranks() = default;

void Ranks::sum(const at::Tensor& tensor) {
  together(world_, [&] { group_->sum(tensor); });
}

void Ranks::broadcast(const at::Tensor& tensor, int root) {
  together(world_, [&] { group_->broadcast(as_bytes(tensor), root); });
}

std::string Ranks::from_first(const std::string& text) {
  const std::string key = fmt::format("say/{}", told_++);
  c10d::Store& store = group_->store();
  return together(world_, [&]() -> std::string {
    if (first()) {
      const bool small = text.size() < kInStore;
      store.set(key, bytes_of(small ? "=" + text : std::to_string(text.size())));
      if (!small) {
        group_->broadcast(
            at::from_blob(const_cast<char*>(text.data()), {std::ssize(text)}, at::kByte), 0);
      }
      return text;
    }
    auto pause = std::chrono::milliseconds(1);
    while (!store.check({key})) {
      leave_if_ended();
      stop_if_interrupted("start all ranks again: they go on from the checkpoint");
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::milliseconds(50));
    }
    const std::string head = text_of(store.get(key));
    if (head.starts_with('=')) return head.substr(1);
    std::string body(std::stoull(head), '\0');
    group_->broadcast(at::from_blob(body.data(), {std::ssize(body)}, at::kByte), 0);
    return body;
  });
}

void Ranks::leave_if_ended() {
  c10d::Store& store = group_->store();
  if (!store.check({kEnd})) return;
  const int code = std::stoi(text_of(store.get(kEnd)));
  store.set(fmt::format("bye/{}", rank()), Bytes());
  throw Dismissed{code};
}

void Ranks::await_end(std::chrono::seconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    try {
      leave_if_ended();
    } catch (const std::exception&) {
      return;  // rank 0 is gone
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void Ranks::dismiss(int exit_code) noexcept {
  try {
    c10d::Store& store = group_->store();
    store.set(kEnd, bytes_of(std::to_string(exit_code)));
    std::vector<std::string> farewells;
    for (int r = 1; r < size(); ++r) farewells.push_back(fmt::format("bye/{}", r));
    store.wait(farewells, kFarewell);
  } catch (...) {
    // They are gone already.
  }
}

}  // namespace limbeck::distill

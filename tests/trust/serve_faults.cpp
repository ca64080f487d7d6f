// A server that its system lets down: memory refused at its n-th allocation, a thread that does not
// start, no file descriptors left, no addresses left. It ends at once with exit 5, or it lives on:
// one request may fail, with a 5xx or without an answer, the next one is answered as ever.
// serve_faults LIMBECK INJECT_FAULTS.so MODEL WORK STRIDE (between allocations)
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/trust/http_client.h"

namespace {

using namespace limbeck::trust;

struct Tried {
  long servers = 0, refused = 0, gave_up = 0, failed_requests = 0, bad = 0;
};

class Faults {
 public:
  Faults(const char* limbeck, const char* preload, const char* model)
      : limbeck_(limbeck), preload_(preload), model_(model) {}

  // The server, whose child calls `prepare`; if it starts, at most `failures` requests may fail.
  // Whether it started.
  bool attempt(const std::string& when, const std::function<void()>& prepare, long failures) {
    ++tried_.servers;
    const Server server =
        start_server(limbeck_, model_, {"--threads", "2", "--context", "256"}, prepare);
    if (server.port == 0) {
      const int status = stop_server(server);
      ++tried_.refused;
      // 127: the loader had no memory for the libraries.
      if (!WIFEXITED(status) || (WEXITSTATUS(status) != 5 && WEXITSTATUS(status) != 127)) {
        complain(when, "did not start, with status " + std::to_string(status));
      }
      return false;
    }
    long failed = 0;
    for (const Question& question : questions()) {
      if (!answered(when, server, question)) ++failed;
    }
    const bool well = is_answer(ask(server.port, health()), "200");
    const int status = stop_server(server);
    // Memory that a destructor asked for: there is nothing to go on with.
    if (WIFEXITED(status) && WEXITSTATUS(status) == 5) {
      ++tried_.gave_up;
      return true;
    }
    tried_.failed_requests += failed;
    if (failed > failures) complain(when, std::to_string(failed) + " requests failed");
    if (!well) complain(when, "no health afterwards");
    if (status != 0) complain(when, "ended with status " + std::to_string(status));
    return true;
  }

  void preloaded(const char* variable, long n) const {
    setenv("LD_PRELOAD", preload_, 1);
    setenv(variable, std::to_string(n).c_str(), 1);
  }

  // How many allocations and threads a server of our questions makes.
  std::pair<long, long> calls(const std::filesystem::path& file) {
    attempt(
        "nothing",
        [&] {
          setenv("LD_PRELOAD", preload_, 1);
          setenv("LIMBECK_COUNT_CALLS", file.c_str(), 1);
        },
        0);
    std::pair<long, long> n;
    std::ifstream(file) >> n.first >> n.second;
    if (n.first == 0 || n.second == 0) complain("nothing", "no calls were counted");
    return n;
  }

  // More connections than descriptors; once they are gone the server answers.
  void descriptors() {
    const Server server = start_server(limbeck_, model_, {"--threads", "1"}, [] {
      const rlimit few{48, 48};
      setrlimit(RLIMIT_NOFILE, &few);
    });
    ++tried_.servers;
    std::vector<int> sockets;
    for (int i = 0; i < 200; ++i) {
      sockets.push_back(connect_to(server.port));
      send_all(sockets.back(), "GET /health HTTP/1.1\r\n");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    for (const int socket : sockets) close(socket);
    if (!is_answer(ask(server.port, health()), "200")) {
      complain("no descriptors", "no answer once there are some");
    }
    if (const int status = stop_server(server); status != 0) {
      complain("no descriptors", "ended with status " + std::to_string(status));
    }
  }

  const Tried& tried() const { return tried_; }

 private:
  bool answered(const std::string& when, const Server& server, const Question& question) {
    const auto start = std::chrono::steady_clock::now();
    const std::string answer = ask(server.port, question.request);
    if (std::chrono::steady_clock::now() - start > std::chrono::seconds(10)) {
      complain(when, "a client was left waiting");
    }
    if (is_answer(answer, question.status)) return true;
    const bool broken = answer.empty() || answer.starts_with("HTTP/1.1 200");  // cut off
    if (!broken && !is_answer(answer, "500") && !is_answer(answer, "503")) {
      complain(when, "wanted " + std::string(question.status) + ": " + answer.substr(0, 300));
    }
    return false;
  }

  void complain(const std::string& when, const std::string& what) {
    ++tried_.bad;
    std::printf("%s: %s\n", when.c_str(), what.c_str());
  }

  const char *limbeck_, *preload_, *model_;
  Tried tried_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return std::puts("serve_faults LIMBECK INJECT_FAULTS.so MODEL WORK STRIDE"), 2;
  const std::filesystem::path work = argv[4];
  std::filesystem::create_directories(work);
  const long stride = std::atol(argv[5]);
  Faults faults(argv[1], argv[2], argv[3]);
  const auto [allocations, threads] = faults.calls(work / "calls.txt");
  for (long n = 1; n <= allocations; n += stride) {
    faults.attempt(
        "allocation " + std::to_string(n), [&] { faults.preloaded("LIMBECK_FAIL_NEW", n); }, 1);
  }
  for (long n = 1; n <= threads; ++n) {
    faults.attempt(
        "thread " + std::to_string(n), [&] { faults.preloaded("LIMBECK_FAIL_THREAD", n); }, 0);
  }
  faults.descriptors();
  constexpr rlim_t kMiB = 1 << 20;
  bool content = false;
  for (rlim_t space = 64 * kMiB; !content && space < 4096 * kMiB; space += 16 * kMiB) {
    const long before = faults.tried().failed_requests;
    const bool started = faults.attempt(
        std::to_string(space / kMiB) + " MiB of addresses",
        [&] {
          const rlimit limit{space, space};
          setrlimit(RLIMIT_AS, &limit);
        },
        static_cast<long>(questions().size()));
    content = started && faults.tried().failed_requests == before;
  }
  const Tried& tried = faults.tried();
  std::printf(
      "%ld servers (%ld allocations, %ld threads): %ld did not start and %ld gave up, with exit 5; "
      "%ld requests failed, no other; %ld ended badly\n",
      tried.servers, allocations, threads, tried.refused, tried.gave_up, tried.failed_requests,
      tried.bad);
  return tried.bad == 0 && content ? 0 : 1;
}

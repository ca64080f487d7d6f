// A server under attack: slow connections that never finish a request, beside clients that want
// answers, for a while. http_soak LIMBECK MODEL [SLOW CLIENTS SECONDS]. Prints what was tried and
// fails if /health took over 50 ms at the 99th percentile, an answer was a 5xx or malformed, or
// memory grew by more than 64 MiB.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/trust/http_client.h"

namespace {

using namespace limbeck::trust;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::puts("http_soak LIMBECK MODEL [SLOW CLIENTS SECONDS]"), 2;
  const int slow = argc > 3 ? std::atoi(argv[3]) : 300,
            clients = argc > 4 ? std::atoi(argv[4]) : 16;
  const double duration = argc > 5 ? std::atof(argv[5]) : 5;
  rlimit files{16'384, 16'384};
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  const Server server = start_server(
      argv[1], argv[2], {"--max-connections", "8192", "--max-connections-per-address", "8192"});
  if (server.port == 0) return std::puts("the server did not start"), 1;
  for (const Question& question : questions()) ask(server.port, question.request);  // warm
  const double before = resident_mib(server.pid);

  const auto begin = Clock::now();
  std::atomic<bool> done{false};
  std::atomic<long> answers{0}, refused{0}, left{0}, wrong{0}, reopened{0};
  std::mutex mutex;
  std::vector<std::thread> threads;
  threads.emplace_back([&] {  // a byte of a header now and then; a connection cut off is made again
    std::vector<int> sockets(static_cast<std::size_t>(slow), -1);
    while (!done) {
      for (int& socket : sockets) {
        if (done) break;
        if (socket < 0) {
          socket = connect_to(server.port);
          if (socket >= 0) send_all(socket, "POST /v1/chat/completions HTTP/1.1\r\nX: ");
        } else if (!send_all(socket, "a")) {
          close(socket);
          socket = -1;
          ++reopened;
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
    for (const int socket : sockets) {
      if (socket >= 0) close(socket);
    }
  });
  for (int c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      std::mt19937 random(static_cast<unsigned>(c));
      const std::vector<Question> all = questions();
      while (!done) {
        const Question& question = all[random() % all.size()];
        const bool leave = random() % 20 == 0;
        const std::string answer = ask(server.port, question.request, leave);
        if (leave) {
          ++left;
          continue;
        }
        ++answers;
        if (is_answer(answer, "429")) {
          ++refused;
        } else if (!is_answer(answer, question.status)) {
          if (++wrong > 5) continue;
          const std::lock_guard lock(mutex);
          std::printf("wanted %s: %s\n", question.status, answer.substr(0, 300).c_str());
        }
      }
    });
  }
  std::vector<double> times;
  while (seconds_since(begin) < duration) {
    const auto start_time = Clock::now();
    const std::string answer = ask(server.port, health());
    times.push_back(1000 * seconds_since(start_time));
    if (!is_answer(answer, "200")) ++wrong;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  const double grown = resident_mib(server.pid) - before;
  const int status = stop_server(server);
  std::sort(times.begin(), times.end());
  const double p99 = times[times.size() * 99 / 100];
  std::printf(
      "%d slow connections (%ld made again), %d clients, %.0f s: %ld answers, %ld told to wait, "
      "%ld "
      "clients left early, %ld wrong; /health p50 %.1f ms, p99 %.1f ms of %zu; memory +%.0f MiB; "
      "ended with %d\n",
      slow, reopened.load(), clients, duration, answers.load(), refused.load(), left.load(),
      wrong.load(), times[times.size() / 2], p99, times.size(), grown, status);
  return wrong == 0 && p99 <= 50 && grown <= 64 && status == 0 ? 0 : 1;
}

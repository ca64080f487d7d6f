// A server under attack: slow connections that never finish a request, beside clients that want
// answers, for a while. http_soak LIMBECK MODEL [SLOW CLIENTS SECONDS]. Prints what was tried and
// fails if /health took over 50 ms at the 99th percentile, an answer was a 5xx or malformed, or
// memory grew by more than 64 MiB.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Server {
  pid_t pid = -1;
  std::uint16_t port = 0;
};

Server start(const char* limbeck, const char* model) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], 1);
    execl(limbeck, limbeck, "serve", model, "--port", "0", "--max-connections", "8192",
          "--max-connections-per-address", "8192", nullptr);
    _exit(127);
  }
  std::string line;
  char byte = 0;
  while (read(ends[0], &byte, 1) == 1 && byte != '\n') line += byte;
  const auto colon = line.rfind(':', line.find("/v1"));
  return {pid, static_cast<std::uint16_t>(std::atoi(line.c_str() + colon + 1))};
}

double resident_mb(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::atof(line.c_str() + 6) / 1024;
  }
  return 0;
}

int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  if (::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return socket;
  close(socket);
  return -1;
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// The whole answer, of a connection that is closed behind it.
std::string ask(std::uint16_t port, const std::string& request, bool leave_early) {
  const int socket = connect_to(port);
  if (socket < 0) return {};
  std::string answer;
  if (send_all(socket, request)) {
    char bytes[8192];
    pollfd wait{socket, POLLIN, 0};
    while (poll(&wait, 1, 60'000) > 0) {
      const auto n = recv(socket, bytes, sizeof bytes, 0);
      if (n <= 0) break;
      answer.append(bytes, static_cast<std::size_t>(n));
      if (leave_early) break;
    }
  }
  close(socket);
  return answer;
}

std::string post(std::string_view path, std::string_view body) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
      path, body.size(), body);
}

struct Kind {
  std::string request;
  const char* status;
};

std::vector<Kind> kinds() {
  const std::string chat =
      R"({"messages":[{"role":"user","content":"where is my parcel"}],"max_tokens":12)";
  return {
      {post("/v1/chat/completions", chat + "}"), "200"},
      {post("/v1/chat/completions", chat + R"(,"stream":true})"), "200"},
      {post("/v1/chat/completions", chat + R"(,"response_format":{"type":"json_object"}})"), "200"},
      {post("/v1/chat/completions", chat + R"(,"tools":[{"type":"function","function":{"name":"f",
          "parameters":{"type":"object","properties":{"a":{"enum":["x","y"]}},"required":["a"],
          "additionalProperties":false}}}],"tool_choice":"required"})"),
       "200"},
      {post("/v1/completions", R"({"prompt":"hello","max_tokens":4,"echo":true,"logprobs":1})"),
       "200"},
      {post("/v1/embeddings", R"({"input":["a","b"]})"), "200"},
      {post("/tokenize", R"({"content":"hello"})"), "200"},
      {post("/v1/chat/completions", R"({"messages":[]})"), "400"},
      {post("/v1/chat/completions", "{"), "400"},
      {post("/v1/chat/completions",
            chat + R"(,"response_format":{"type":"json_schema","json_schema":
          {"schema":{"allOf":[{"$ref":"#"}]}}}})"),
       "400"},
      {post("/nothing", "{}"), "404"},
  };
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
  const Server server = start(argv[1], argv[2]);
  if (server.port == 0) return std::puts("the server did not start"), 1;
  const std::string health = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  for (const Kind& kind : kinds()) ask(server.port, kind.request, false);  // warm
  const double before = resident_mb(server.pid);

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
      const std::vector<Kind> all = kinds();
      while (!done) {
        const Kind& kind = all[random() % all.size()];
        const bool leave = random() % 20 == 0;
        const std::string answer = ask(server.port, kind.request, leave);
        if (leave) {
          ++left;
          continue;
        }
        ++answers;
        const std::string status = answer.size() > 12 ? answer.substr(9, 3) : "";
        const bool error = status.empty() || status[0] != '2';
        if (status == "429") {
          ++refused;
        } else if (status != kind.status ||
                   (error && answer.find("{\"error\":{\"message\":") == answer.npos)) {
          if (++wrong > 5) continue;
          const std::lock_guard lock(mutex);
          std::printf("wanted %s: %s\n", kind.status, answer.substr(0, 300).c_str());
        }
      }
    });
  }
  std::vector<double> times;
  while (seconds_since(begin) < duration) {
    const auto start_time = Clock::now();
    const std::string answer = ask(server.port, health, false);
    times.push_back(1000 * seconds_since(start_time));
    if (answer.find(" 200 ") == answer.npos) ++wrong;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  const double grown = resident_mb(server.pid) - before;
  kill(server.pid, SIGTERM);
  int status = 0;
  waitpid(server.pid, &status, 0);
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

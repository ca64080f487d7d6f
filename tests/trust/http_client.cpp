#include "tests/trust/http_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace limbeck::trust {

Server start_server(const char* limbeck, const char* model, const std::vector<const char*>& options,
                    const std::function<void()>& in_child) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    std::vector<const char*> arguments = {limbeck, "serve", model, "--port", "0"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.push_back(nullptr);
    if (in_child) in_child();
    execv(limbeck, const_cast<char* const*>(arguments.data()));
    _exit(127);
  }
  close(ends[1]);
  std::string line;
  char byte = 0;
  pollfd wait{ends[0], POLLIN, 0};
  while (poll(&wait, 1, 30'000) > 0 && read(ends[0], &byte, 1) == 1 && byte != '\n') line += byte;
  close(ends[0]);
  const auto colon = line.rfind(':', line.find("/v1"));
  if (colon == line.npos) return {pid, 0};
  return {pid, static_cast<std::uint16_t>(std::atoi(line.c_str() + colon + 1))};
}

int stop_server(const Server& server) {
  if (server.port != 0) kill(server.pid, SIGTERM);
  int status = 0;
  for (int i = 0; i < 1000; ++i) {
    if (waitpid(server.pid, &status, WNOHANG) == server.pid) return status;
    usleep(30'000);
  }
  kill(server.pid, SIGKILL);
  waitpid(server.pid, &status, 0);
  return status;
}

double resident_mib(pid_t pid) {
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

std::string ask(std::uint16_t port, std::string_view request, bool leave_early) {
  const int socket = connect_to(port);
  if (socket < 0) return {};
  std::string answer;
  if (send_all(socket, request)) {
    char bytes[8192];
    pollfd wait{socket, POLLIN, 0};
    while (poll(&wait, 1, 30'000) > 0) {
      const auto n = recv(socket, bytes, sizeof bytes, 0);
      if (n <= 0) break;
      answer.append(bytes, static_cast<std::size_t>(n));
      if (leave_early) break;
    }
  }
  close(socket);
  return answer;
}

std::vector<Question> questions() {
  const auto post = [](std::string_view path, std::string_view body) {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
        path, body.size(), body);
  };
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

std::string health() {
  return "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
}

bool is_answer(std::string_view answer, std::string_view status) {
  if (!answer.starts_with("HTTP/1.1 ") || answer.substr(9, 3) != status) return false;
  const auto holds = [answer](std::string_view text) { return answer.find(text) != answer.npos; };
  if (!status.starts_with('2')) return holds("{\"error\":{\"message\":");
  return !holds("text/event-stream") || holds("data: [DONE]\n\n");
}

}  // namespace limbeck::trust

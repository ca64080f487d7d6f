// The loopback server of the endpoint tests.
#include "limbeck/teacher/fake_server_test.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>

namespace limbeck {
namespace {

void send_all(int connection, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const auto n = send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += static_cast<std::size_t>(n);
  }
}

// The headers, and as much body as Content-Length says.
bool read_request(int connection, std::string& headers, std::string& body) {
  std::string bytes;
  std::size_t split = bytes.npos, length = 0;
  char buffer[65536];
  while (split == bytes.npos || bytes.size() < split + 4 + length) {
    const auto n = recv(connection, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    bytes.append(buffer, static_cast<std::size_t>(n));
    if (split == bytes.npos && (split = bytes.find("\r\n\r\n")) != bytes.npos) {
      const auto at = bytes.find("Content-Length: ");
      if (at != bytes.npos && at < split) length = std::stoul(bytes.substr(at + 16));
    }
  }
  headers = bytes.substr(0, split);
  body = bytes.substr(split + 4);
  return true;
}

}  // namespace

FakeReply http_reply(int status, const std::string& body, const std::string& headers) {
  return {
      fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
                  "Connection: close\r\n{}\r\n{}",
                  status, body.size(), headers, body)};
}

FakeServer::FakeServer(Handler handler) : handler_(std::move(handler)) {
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(socket_, generic, size) != 0 || listen(socket_, 512) != 0 ||
      getsockname(socket_, generic, &size) != 0) {
    throw std::runtime_error("the test server cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

FakeServer::~FakeServer() {
  stopping_ = true;
  acceptor_.join();
  while (serving_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  close(socket_);
}

std::string FakeServer::url() const { return fmt::format("http://127.0.0.1:{}/v1", port_); }

void FakeServer::accept_all() {
  while (!stopping_) {
    pollfd waiting{socket_, POLLIN, 0};
    if (poll(&waiting, 1, 20) <= 0) continue;
    const int connection = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    ++serving_;
    std::thread([this, connection] {
      serve(connection);
      --serving_;
    }).detach();
  }
}

void FakeServer::serve(int connection) {
  std::string headers, body;
  if (read_request(connection, headers, body)) {
    const FakeReply reply = handler_(requests_++, headers, body);
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(reply.wait_s);
    while (!stopping_ && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (reply.reset) {
      const linger now{1, 0};
      setsockopt(connection, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    if (reply.byte_wait_s <= 0) {
      send_all(connection, reply.bytes);
    } else {
      for (const char byte : reply.bytes) {
        if (stopping_ || send(connection, &byte, 1, MSG_NOSIGNAL) != 1) break;
        std::this_thread::sleep_for(std::chrono::duration<double>(reply.byte_wait_s));
      }
    }
  }
  close(connection);
}

}  // namespace limbeck

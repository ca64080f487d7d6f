// Raw sockets against the server: what hostile and broken clients send.
#include "limbeck/serve/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "limbeck/base/error.h"

namespace limbeck::serve {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Client {
 public:
  explicit Client(const HttpServer& server) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const std::string address = server.address();
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  ~Client() { close(); }
  Client(Client&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}

  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  // Until the server closes, or `marker` has come, or `seconds` are over.
  std::string receive(std::string_view marker = "\x01", double seconds = 3) const {
    std::string all;
    const auto start = Clock::now();
    while (all.find(marker) == all.npos) {
      pollfd wait{socket_, POLLIN, 0};
      const double left = seconds - seconds_since(start);
      if (left <= 0 || ::poll(&wait, 1, static_cast<int>(1000 * left)) <= 0) break;
      char bytes[4096];
      const auto n = ::recv(socket_, bytes, sizeof bytes, 0);
      if (n <= 0) break;
      all.append(bytes, static_cast<std::size_t>(n));
    }
    return all;
  }
  bool closed_within(double seconds) const {
    pollfd wait{socket_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(1000 * seconds)) <= 0) return false;
    char byte = 0;
    return ::recv(socket_, &byte, 1, 0) <= 0;
  }

 private:
  int socket_;
  bool connected_ = false;
};

std::string get(std::string_view path) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
}
std::string post(std::string_view body, std::string_view more = "") {
  return fmt::format("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}",
                     body.size(), more, body);
}

HttpOptions quick() {
  HttpOptions options;
  options.port = 0;
  options.header_seconds = 0.4;
  options.body_seconds = 0.6;
  options.idle_seconds = 0.8;
  options.write_seconds = 0.6;
  options.body_bytes = 10'000;
  return options;
}

void echo(const Request& request, const std::shared_ptr<Exchange>& exchange) {
  if (request.path == "/stream") {
    exchange->begin_stream();
    for (int i = 0; i < 3; ++i) exchange->send_event(std::to_string(i));
    return exchange->end_stream();
  }
  exchange->reply(200, request.method + " " + request.path + " " + request.body, "text/plain");
}

TEST(Http, AnswersInTurnOnOneConnection) {
  const HttpServer server(quick(), echo);
  const Client client(server);
  client.send(get("/a?x=1"));
  EXPECT_NE(client.receive("GET /a ").find("200 OK"), std::string::npos);
  client.send(post("hello"));
  EXPECT_NE(client.receive("hello").find("POST /echo hello"), std::string::npos);
  client.send(get("/stream"));
  const std::string stream = client.receive("\r\n0\r\n\r\n");
  EXPECT_NE(stream.find("text/event-stream"), std::string::npos);
  EXPECT_NE(stream.find("9\r\ndata: 1\n\n\r\n"), std::string::npos) << stream;
  client.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  EXPECT_NE(client.receive("abc").find("POST /echo abc"), std::string::npos);
  client.send("HEAD /h HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string head = client.receive("\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 8\r\n"), std::string::npos) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;  // a body would be the next answer's beginning
  client.send(get("/b"));
  EXPECT_EQ(client.receive("GET /b").find("HTTP/1.1 200"), 0u);
  client.send("GET /old HTTP/1.0\r\n\r\n");
  EXPECT_NE(client.receive().find("GET /old"), std::string::npos);  // and it is closed
}

TEST(Http, PipelinedRequestsAreAnsweredInOrder) {
  const HttpServer server(quick(), echo);
  const Client client(server);
  std::string all;
  for (int i = 0; i < 100; ++i) all += get("/" + std::to_string(i));
  client.send(all);
  const std::string answers = client.receive("GET /99 ");
  std::size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    at = answers.find(fmt::format("GET /{} ", i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

struct Hostile {
  const char* name;
  std::string bytes;
  const char* status;  // "" for: closed without an answer is fine too
};
void PrintTo(const Hostile& row, std::ostream* out) { *out << row.name; }

std::string repeated(std::string_view text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

std::string with_nul(std::string text) {  // for @
  text[text.find('@')] = '\0';
  return text;
}

const Hostile kHostile[] = {
    {"line_without_end", std::string(100'000, 'A'), ""},
    {"huge_header",
     "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(100'000, 'a') + "\r\n\r\n", "431"},
    {"many_fields", "GET / HTTP/1.1\r\nHost: localhost\r\n" + repeated("a: b\r\n", 200) + "\r\n",
     "431"},
    {"huge_length", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n",
     "413"},
    {"endless_length",
     "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551616\r\n\r\n", "400"},
    {"negative_length", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "400"},
    {"length_of_letters", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: abc\r\n\r\n",
     "400"},
    {"two_lengths",
     "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
     "400"},
    {"length_and_chunks",
     "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     "400"},
    {"chunks_and_length",
     "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: "
     "3\r\n\r\n0\r\n\r\n",
     "400"},
    {"another_coding",
     "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400"},
    {"chunks_within_a_coding",
     "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, "
     "gzip\r\n\r\n0\r\n\r\n",
     "400"},
    {"a_list_of_lengths", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2, 2\r\n\r\nab",
     "400"},
    {"negative_chunk",
     "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
     "chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
     "400"},
    {"huge_chunk",
     "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
     ""},
    {"chunks_over_the_limit",
     "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n" +
         std::string(20'000, 'a') + "\r\n0\r\n\r\n",
     "413"},
    {"no_host", "GET / HTTP/1.1\r\n\r\n", "400"},
    {"two_hosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", "400"},
    {"another_host", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"},
    {"a_name_that_begins_alike", "GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", "403"},
    {"nul_in_target", with_nul("GET /a@b HTTP/1.1\r\nHost: localhost\r\n\r\n"), "400"},
    {"nul_in_field", with_nul("GET / HTTP/1.1\r\nHost: localhost\r\nX: a@b\r\n\r\n"), "400"},
    {"bad_version", "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", ""},
    {"no_version", "GET /\r\n\r\n", "400"},
    {"bad_method", "G\x01T / HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"},
    {"blank_in_name", "GET / HTTP/1.1\r\nHost: localhost\r\nA b: c\r\n\r\n", "400"},
    {"bare_line_feeds", "GET / HTTP/1.1\nHost: localhost\n\n", "400"},
    {"not_http", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ""},
};

class HostileBytes : public testing::TestWithParam<Hostile> {};

TEST_P(HostileBytes, EndInAnErrorAndTheServerGoesOn) {
  const HttpServer server(quick(), echo);
  const Client client(server);
  client.send(GetParam().bytes);
  const std::string answer = client.receive();
  EXPECT_EQ(answer.find("HTTP/1.1 ", 1), answer.npos) << "more than one answer: " << answer;
  if (*GetParam().status) {
    EXPECT_EQ(answer.substr(9, 3), GetParam().status) << answer;
    EXPECT_NE(answer.find("{\"error\":{\"message\":"), std::string::npos) << answer;
  } else {
    EXPECT_EQ(answer.find(" 200 "), std::string::npos) << answer;
  }
  const Client other(server);
  other.send(get("/b"));
  EXPECT_NE(other.receive("GET /b").find("200 OK"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(All, HostileBytes, testing::ValuesIn(kHostile),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Http, SlowClientsAreCutOff) {
  const HttpServer server(quick(), echo);
  const Client silent(server), header(server), body(server);
  header.send("GET / HT");
  body.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc");
  const auto start = Clock::now();
  EXPECT_TRUE(header.closed_within(2));
  EXPECT_TRUE(body.closed_within(2));
  EXPECT_TRUE(silent.closed_within(2));
  EXPECT_LT(seconds_since(start), 2.5);
  EXPECT_GT(seconds_since(start), 0.3);
}

TEST(Http, ManySlowClientsDoNotKeepOthersOut) {
  HttpOptions options = quick();
  options.header_seconds = options.idle_seconds = 20;
  options.connections_per_address = 1000;
  const HttpServer server(options, echo);
  std::vector<Client> slow;
  for (int i = 0; i < 200; ++i) {
    slow.emplace_back(server);
    slow.back().send("GET / HT");
  }
  const Client client(server);
  const auto start = Clock::now();
  client.send(get("/a"));
  EXPECT_NE(client.receive("GET /a").find("200 OK"), std::string::npos);
  EXPECT_LT(seconds_since(start), 0.5);
}

TEST(Http, ConnectionsAreCounted) {
  HttpOptions options = quick();
  options.connections_per_address = 3;
  const HttpServer server(options, echo);
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server);
    clients.back().send(get("/a"));
    EXPECT_NE(clients.back().receive("GET /a").find("200"), std::string::npos);
  }
  const Client fourth(server);
  EXPECT_TRUE(fourth.closed_within(1));
  clients.clear();
  for (int i = 0; i < 100 && server.connections() > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(server.connections(), 0u);
}

TEST(Http, AClientThatGoesIsNoticed) {
  std::mutex mutex;
  std::condition_variable changed;
  bool gone = false, asked = false;
  const HttpServer server(quick(), [&](const Request&, const std::shared_ptr<Exchange>& exchange) {
    exchange->when_gone([&] {
      const std::lock_guard lock(mutex);
      gone = true;
      changed.notify_all();
    });
    const std::lock_guard lock(mutex);
    asked = true;
    changed.notify_all();
  });
  Client client(server);
  client.send(get("/a"));
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(3), [&] { return asked; }));
  client.close();
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(3), [&] { return gone; }));
}

TEST(Http, AClientThatDoesNotReadIsCutOff) {
  HttpOptions options = quick();
  const std::string large(64u << 20, 'x');
  const HttpServer server(options, [&](const Request&, const std::shared_ptr<Exchange>& exchange) {
    exchange->reply(200, large, "text/plain");
  });
  const Client client(server);
  client.send(get("/a"));
  for (int i = 0; i < 150 && server.connections() > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(server.connections(), 0u);
}

TEST(Http, KeysAreChecked) {
  HttpOptions options = quick();
  options.api_key = "secret-key";
  const HttpServer server(options, echo);
  const auto status = [&](std::string_view path, std::string_view field) {
    const Client client(server);
    client.send(fmt::format("GET {} HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n{}\r\n",
                            path, field));
    return client.receive().substr(9, 3);
  };
  EXPECT_EQ(status("/a", ""), "401");
  EXPECT_EQ(status("/a", "Authorization: Bearer secret-kez\r\n"), "401");
  EXPECT_EQ(status("/a", "Authorization: Bearer secret-key-and-more\r\n"), "401");
  EXPECT_EQ(status("/a", "Authorization: Bearer secret\r\n"), "401");
  EXPECT_EQ(status("/a", "Authorization: secret-key\r\n"), "401");
  EXPECT_EQ(status("/a", "Authorization: Bearer secret-key\r\n"), "200");
  EXPECT_EQ(status("/health", ""), "200");
}

TEST(Http, OtherAddressesNeedAKey) {
  HttpOptions options = quick();
  options.host = "0.0.0.0";
  EXPECT_THROW(HttpServer(options, echo), Error);
  options.host = "nowhere";
  EXPECT_THROW(HttpServer(options, echo), Error);
  options.host = "127.0.0.1";
  const HttpServer first(options, echo);
  const std::string address = first.address();
  options.port = std::stoi(address.substr(address.rfind(':') + 1));
  try {
    HttpServer second(options, echo);
    ADD_FAILURE() << "two servers on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
  }
}

}  // namespace
}  // namespace limbeck::serve

// For tests: an HTTP server on the loopback that answers each request as it is told.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace limbeck {

struct FakeReply {
  std::string bytes;       // the whole response, status line included
  double wait_s = 0;       // before it
  bool reset = false;      // close with unread state, so that the peer sees a reset
  double byte_wait_s = 0;  // between the bytes
};
FakeReply http_reply(int status, const std::string& body, const std::string& headers = "");

class FakeServer {
 public:
  // `handler` gets the number of the request (from 0), its headers and its body; called on threads
  // of its own.
  using Handler =
      std::function<FakeReply(int number, const std::string& headers, const std::string& body)>;
  explicit FakeServer(Handler handler);
  ~FakeServer();
  std::string url() const;  // "http://127.0.0.1:<port>/v1"
  int requests() const { return requests_; }

 private:
  void accept_all();
  void serve(int connection);

  Handler handler_;
  int socket_ = -1, port_ = 0;
  std::atomic<int> requests_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> serving_ = 0;  // threads of their own, for which the destructor waits
  std::thread acceptor_;
};

}  // namespace limbeck

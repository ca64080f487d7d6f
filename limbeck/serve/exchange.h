// One request being answered: what the endpoints see of the connection. Safe to call from any
// thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace limbeck::serve {

struct Request {
  std::string method, path;  // path without the query
  std::string body;
};

// Let go without a whole answer it ends the connection.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // The whole answer. Once, and not after a stream was begun.
  virtual void reply(int status, std::string body, std::string_view content_type) = 0;
  // Server-sent events: begin, any number of events (their data alone), end.
  virtual void begin_stream() = 0;
  virtual void send_event(std::string data) = 0;
  virtual void end_stream() = 0;
  // Called once if the client goes before it has its whole answer; at once if it is gone already.
  virtual void when_gone(std::function<void()> action) = 0;
};

}  // namespace limbeck::serve

// HTTP/1.1 over Boost.Beast: connections, their limits and time-outs. Knows nothing of models.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "limbeck/serve/exchange.h"

namespace limbeck::serve {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;        // 0: any free one
  std::string api_key;    // empty: none is asked for
  bool insecure = false;  // other addresses than this machine's own without a key
  int threads = 2;        // for connections; another two read requests
  std::size_t header_bytes = 16u << 10, header_fields = 100, body_bytes = 8u << 20;
  double header_seconds = 5;  // from a request's first byte to the end of its header
  double body_seconds = 15;   // for the whole body
  double idle_seconds = 30;   // between requests
  double write_seconds = 15;  // for a client that does not read
  std::size_t connections = 1024, connections_per_address = 128;
};

class HttpServer {
 public:
  using Handler = std::function<void(const Request& request, std::shared_ptr<Exchange> exchange)>;

  // Listens at once; `handler` is called on threads of its own. Throws Error{io} if the address
  // cannot be had, Error{usage} on bad options (an address others can reach without api_key or
  // insecure).
  HttpServer(const HttpOptions& options, Handler handler);
  // Closes every connection. No exchange may be used after that.
  ~HttpServer();

  std::string address() const;  // "http://127.0.0.1:8080"
  void stop_listening();        // what is under way goes on
  void stop();                  // nothing more is read or written; returns when no handler runs
  std::size_t connections() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace limbeck::serve

// One connection: requests in turn, each answered before the next is read.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "limbeck/serve/http_server.h"

namespace limbeck::serve {

// What all connections share.
struct HttpShared {
  HttpOptions options;
  HttpServer::Handler handler;
  bool check_host = false;  // only names of this machine: against pages that rebind their name
  boost::asio::io_context workers;  // that read requests: schemas and templates take a while
};

class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  // `seat` is let go when the connection is gone.
  HttpSession(boost::asio::ip::tcp::socket socket, HttpShared& shared, std::shared_ptr<void> seat);
  void start();

 private:
  class Answer;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Error = boost::beast::error_code;

  void wait_for_request();
  void read_header();
  void on_header(Error error);
  void read_body();
  void on_body(Error error);
  void dispatch();
  int refusal() const;  // HTTP status, or 0

  void watch_for_end();
  template <typename Step>
  void protect(const Step& step) noexcept;
  void gone() noexcept;
  void fail_with(int status, std::string_view message);
  void write(std::string bytes, bool last);
  void write_next();
  void on_written(Error error);
  void finish_request();
  void drain(std::size_t left);

  std::string head(int status, std::string_view content_type, std::optional<std::size_t> length,
                   bool keep) const;

  std::shared_ptr<void> seat_;  // outlives the socket
  boost::beast::tcp_stream stream_;
  HttpShared& shared_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::deque<std::string> writes_;
  bool answered_ = false;   // the last bytes of the answer are in writes_
  bool keep_ = false;       // the connection serves another request after this
  bool chunked_ = false;    // the stream's framing; HTTP/1.0 clients get none
  bool head_only_ = false;  // of a HEAD request: its answer has no body
  bool watching_ = false;
  std::uint64_t serial_ = 0;  // of the request being answered
  std::function<void()> when_gone_;
  bool is_gone_ = false;
};

}  // namespace limbeck::serve

#include "limbeck/serve/http_session.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <chrono>

#include "limbeck/serve/api_error.h"

namespace limbeck::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::size_t kDrainBytes = 1u << 20;
// What thousands of connections that say little hold each, and what a body is read through.
constexpr std::size_t kIdleBytes = 512, kBodyBytes = 16'384;

std::chrono::milliseconds after(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

// Takes as long for every key of the right length.
bool same_key(std::string_view given, std::string_view wanted) {
  unsigned difference = given.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const char c = i < given.size() ? given[i] : '\0';
    difference |= static_cast<unsigned>(static_cast<unsigned char>(c ^ wanted[i]));
  }
  return difference == 0;
}

// localhost, 127.0.0.1 or [::1], with or without a port.
bool is_own_name(std::string_view host) {
  for (const std::string_view name : {"localhost", "127.0.0.1", "[::1]"}) {
    if (!host.starts_with(name)) continue;
    const std::string_view rest = host.substr(name.size());
    if (rest.empty() || rest.front() == ':') return true;
  }
  return false;
}

}  // namespace

// What an endpoint holds of a request. It may outlive the connection; then nothing happens. Let go
// without an answer, for want of memory, it ends the connection: the client must not wait.
class HttpSession::Answer : public Exchange {
 public:
  explicit Answer(std::shared_ptr<HttpSession> session)
      : session_(std::move(session)), serial_(session_->serial_) {}
  ~Answer() override {
    if (!ended_) drop();
  }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  void reply(int status, std::string body, std::string_view content_type) override {
    then([status, body = std::move(body), type = std::string(content_type)](HttpSession& session) {
      session.write(session.head(status, type, body.size(), session.keep_) +
                        (session.head_only_ ? std::string() : body),
                    true);
    });
    ended_ = true;
  }
  void begin_stream() override {
    then([](HttpSession& session) {
      session.write(session.head(200, "text/event-stream", std::nullopt, session.keep_), false);
    });
  }
  void send_event(std::string data) override {
    then([event = "data: " + std::move(data) + "\n\n"](HttpSession& session) {
      session.write(session.chunked_ ? fmt::format("{:x}\r\n{}\r\n", event.size(), event) : event,
                    false);
    });
  }
  void end_stream() override {
    then([](HttpSession& session) { session.write(session.chunked_ ? "0\r\n\r\n" : "", true); });
    ended_ = true;
  }
  void when_gone(std::function<void()> action) override {
    asio::post(session_->stream_.get_executor(),
               [session = session_, serial = serial_, action = std::move(action)] {
                 if (session->is_gone_) return action();
                 if (session->serial_ == serial) session->when_gone_ = action;
               });
  }

 private:
  void then(std::function<void(HttpSession& session)> action) {
    asio::post(session_->stream_.get_executor(),
               [session = session_, serial = serial_, action = std::move(action)] {
                 if (session->is_gone_ || session->serial_ != serial || session->answered_) return;
                 session->protect([&] { action(*session); });
               });
  }

  void drop() noexcept {
    try {
      then([](HttpSession& session) { session.gone(); });
    } catch (...) {  // not even for that is there memory; the client will leave
    }
  }

  std::shared_ptr<HttpSession> session_;
  std::uint64_t serial_;
  std::atomic<bool> ended_{false};
};

HttpSession::HttpSession(asio::ip::tcp::socket socket, HttpShared& shared,
                         std::shared_ptr<void> seat)
    : seat_(std::move(seat)), stream_(std::move(socket)), shared_(shared) {}

void HttpSession::start() {
  asio::dispatch(stream_.get_executor(),
                 [self = shared_from_this()] { self->protect([&] { self->wait_for_request(); }); });
}

// A step for which there is no memory ends the connection: its client must not wait.
template <typename Step>
void HttpSession::protect(const Step& step) noexcept {
  try {
    step();
  } catch (...) {
    gone();
    stream_.close();
  }
}

// The clock of the header starts with its first byte, not while the connection is idle.
void HttpSession::wait_for_request() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(shared_.options.header_bytes));
  parser_->body_limit(shared_.options.body_bytes);
  if (buffer_.size() > 0) return read_header();
  stream_.expires_after(after(shared_.options.idle_seconds));
  stream_.async_read_some(buffer_.prepare(kIdleBytes),
                          [self = shared_from_this()](Error error, std::size_t n) {
                            if (error) return self->gone();
                            self->buffer_.commit(n);
                            self->protect([&] { self->read_header(); });
                          });
}

void HttpSession::read_header() {
  stream_.expires_after(after(shared_.options.header_seconds));
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](Error error, std::size_t) {
                            self->protect([&] { self->on_header(error); });
                          });
}

void HttpSession::on_header(Error error) {
  answered_ = false;
  ++serial_;
  keep_ = false;
  if (error == http::error::header_limit) return fail_with(431, "the header is too large");
  if (error == http::error::body_limit) return fail_with(413, "the body is too large");
  if (error && error.category() == http::make_error_code(http::error::end_of_stream).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return fail_with(400, error.message());
  }
  if (error) return gone();
  const auto& header = parser_->get();
  const auto fields = std::distance(header.begin(), header.end());
  if (fields > static_cast<std::ptrdiff_t>(shared_.options.header_fields)) {
    return fail_with(431, "the header has too many fields");
  }
  if (const int status = refusal(); status != 0) {
    return fail_with(status, status == 401 ? "a valid API key is needed: Authorization: Bearer KEY"
                             : status == 403 ? "this host name is not served"
                             : status == 505 ? "HTTP/1.0 and 1.1 are spoken here"
                                             : "the request is ambiguous");
  }
  if (beast::iequals(header[http::field::expect], "100-continue")) {
    writes_.push_back("HTTP/1.1 100 Continue\r\n\r\n");
    if (writes_.size() == 1) write_next();
  }
  read_body();
}

int HttpSession::refusal() const {
  const auto& header = parser_->get();
  if (header.version() != 10 && header.version() != 11) return 505;
  // Two lengths, or a length beside chunks: what one server takes for the body's end another does
  // not.
  const bool chunked = header.find(http::field::transfer_encoding) != header.end();
  const auto lengths = header.count(http::field::content_length);
  if (lengths > 1 || (chunked && lengths > 0)) return 400;
  // A coding that is not known, where the parser would take the body for the next request; a list
  // of lengths.
  if (chunked && !parser_->chunked()) return 400;
  if (header[http::field::content_length].find(',') != beast::string_view::npos) return 400;
  if (header.version() == 11 && header.count(http::field::host) != 1) return 400;
  if (shared_.check_host && header.version() == 11 &&
      !is_own_name(std::string(header[http::field::host]))) {
    return 403;
  }
  const std::string& key = shared_.options.api_key;
  const std::string target(header.target());
  if (key.empty() || target == "/health") return 0;
  const std::string given(header[http::field::authorization]);
  constexpr std::string_view kBearer = "Bearer ";
  return given.starts_with(kBearer) && same_key(std::string_view(given).substr(kBearer.size()), key)
             ? 0
             : 401;
}

void HttpSession::read_body() {
  stream_.expires_after(after(shared_.options.body_seconds));
  if (!parser_->is_done()) buffer_.reserve(kBodyBytes);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](Error error, std::size_t) {
                     self->protect([&] { self->on_body(error); });
                   });
}

void HttpSession::on_body(Error error) {
  if (error == http::error::body_limit) return fail_with(413, "the body is too large");
  if (error == beast::error::timeout) return gone();
  if (error && error.category() == http::make_error_code(http::error::end_of_stream).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return fail_with(400, error.message());
  }
  if (error) return gone();
  dispatch();
}

void HttpSession::dispatch() {
  auto& message = parser_->get();
  keep_ = message.keep_alive();
  head_only_ = message.method() == http::verb::head;
  chunked_ = message.version() == 11;
  if (!chunked_) keep_ = false;
  Request request;
  request.method = std::string(message.method_string());
  request.path = std::string(message.target());
  request.path = request.path.substr(0, request.path.find('?'));
  request.body = std::move(message.body());
  stream_.expires_never();  // a long answer is the engine's business; writes have their own clock
  watch_for_end();
  auto answer = std::make_shared<Answer>(shared_from_this());
  asio::post(shared_.workers,
             [&shared = shared_, request = std::move(request), answer = std::move(answer)] {
               try {
                 shared.handler(request, answer);
               } catch (...) {  // of the error's own reply
               }
             });
}

// While an answer is made nothing is read; a client that goes is noticed all the same.
void HttpSession::watch_for_end() {
  if (watching_) return;
  watching_ = true;
  stream_.socket().async_wait(
      asio::ip::tcp::socket::wait_read, [self = shared_from_this()](Error error) {
        self->watching_ = false;
        if (error || self->is_gone_) return;
        char byte = 0;
        const auto n =
            ::recv(self->stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) self->gone();
        // n > 0: the next request is here already; it waits.
      });
}

// The connection is of no more use.
void HttpSession::gone() noexcept {
  if (std::exchange(is_gone_, true)) return;
  if (when_gone_) std::exchange(when_gone_, nullptr)();
  stream_.close();
}

void HttpSession::fail_with(int status, std::string_view message) {
  keep_ = false;  // where the next request begins is not known
  const std::string body = limbeck::to_text(ApiError(status, "", std::string(message)).to_json());
  write(head(status, "application/json", body.size(), false) + body, true);
}

std::string HttpSession::head(int status, std::string_view content_type,
                              std::optional<std::size_t> length, bool keep) const {
  const auto reason = http::obsolete_reason(static_cast<http::status>(status));
  std::string text = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n", status,
                                 std::string_view(reason.data(), reason.size()), content_type);
  if (length) {
    text += fmt::format("Content-Length: {}\r\n", *length);
  } else {
    text += chunked_ ? "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n"
                     : "Cache-Control: no-cache\r\n";
  }
  if (status == 429 || status == 503) text += "Retry-After: 1\r\n";
  if (status == 401) text += "WWW-Authenticate: Bearer\r\n";
  text += "X-Content-Type-Options: nosniff\r\n";
  text += keep ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return text;
}

void HttpSession::write(std::string bytes, bool last) {
  answered_ = answered_ || last;
  writes_.push_back(std::move(bytes));
  if (writes_.size() == 1) write_next();
}

void HttpSession::write_next() {
  stream_.expires_after(after(shared_.options.write_seconds));
  asio::async_write(stream_, asio::buffer(writes_.front()),
                    [self = shared_from_this()](Error error, std::size_t) {
                      self->protect([&] { self->on_written(error); });
                    });
}

void HttpSession::on_written(Error error) {
  if (error) return gone();
  writes_.pop_front();
  if (!writes_.empty()) return write_next();
  if (answered_) return finish_request();
}

void HttpSession::finish_request() {
  when_gone_ = nullptr;
  if (!keep_) {
    is_gone_ = true;
    Error ignored;
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    return drain(kDrainBytes);
  }
  answered_ = false;
  ++serial_;  // late words of the request before go nowhere
  if (watching_) stream_.socket().cancel();
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    if (!self->is_gone_) self->protect([&] { self->wait_for_request(); });
  });
}

// What the client still sends is read and dropped for a moment: closing at once would reset the
// connection, and the client might never see the answer.
void HttpSession::drain(std::size_t left) {
  buffer_.clear();
  stream_.expires_after(std::chrono::seconds(1));
  stream_.async_read_some(buffer_.prepare(4096),
                          [self = shared_from_this(), left](Error error, std::size_t n) {
                            if (error || n >= left) return self->stream_.close();
                            self->protect([&] { self->drain(left - n); });
                          });
}

}  // namespace limbeck::serve

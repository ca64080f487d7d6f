#include "limbeck/serve/http_server.h"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/serve/http_session.h"

namespace limbeck::serve {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto kPause = std::chrono::milliseconds(50);
constexpr int kWorkers = 2;
using WorkGuard = asio::executor_work_guard<asio::io_context::executor_type>;

struct HttpServer::Impl {
  Impl(const HttpOptions& options, Handler handler) : acceptor(io) {
    shared.options = options;
    shared.handler = std::move(handler);
    listen();
    const int n = std::max(1, options.threads);
    try {
      threads.reserve(static_cast<std::size_t>(n + kWorkers));
      for (int i = 0; i < n; ++i) threads.emplace_back([this] { run(io); });
      for (int i = 0; i < kWorkers; ++i) threads.emplace_back([this] { run(shared.workers); });
    } catch (const std::system_error& e) {
      stop();
      fail(ErrorKind::io, "cannot start {} threads: {}", n + kWorkers, e.what());
    }
  }

  ~Impl() { stop(); }

  void stop() {
    io.stop();
    working.reset();  // what waits there is done: it holds connections, which need `io`
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }

  // A handler throws when memory is short: its connection ends with it, the others go on.
  void run(asio::io_context& context) noexcept {
    for (;;) {
      try {
        if (&context == &io && not_accepting) accept_later();
        context.run();
        return;
      } catch (...) {
        std::this_thread::sleep_for(kPause);
      }
    }
  }

  void listen() {
    const HttpOptions& options = shared.options;
    boost::system::error_code error;
    const auto address = asio::ip::make_address(
        options.host == "localhost" ? std::string("127.0.0.1") : options.host, error);
    if (error) {
      fail_try(ErrorKind::usage, "127.0.0.1, or 0.0.0.0 with --api-key-env",
               "--host '{}' is no address", options.host);
    }
    if (!address.is_loopback() && options.api_key.empty() && !options.insecure) {
      fail_try(ErrorKind::usage, "--api-key-env NAME, or --insecure if the network is trusted",
               "--host {}: others could use the model without a key", options.host);
    }
    shared.check_host = address.is_loopback() && options.api_key.empty();
    const tcp::endpoint endpoint(address, static_cast<unsigned short>(options.port));
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      fail_try(ErrorKind::io, "another --port", "cannot listen on {} port {}: {}", options.host,
               options.port, error.message());
    }
    accept();
  }

  void accept() {
    keep_accepting([this] {
      acceptor.async_accept(asio::make_strand(io),
                            [this](boost::system::error_code error, tcp::socket socket) {
                              if (error == asio::error::operation_aborted) return;
                              not_accepting = true;
                              if (error) return accept_later();
                              admit(std::move(socket));
                              accept();
                            });
    });
  }

  // No descriptors or no memory are left: what is in use will end.
  void accept_later() {
    keep_accepting([this] {
      retry.expires_after(kPause);
      retry.async_wait([this](boost::system::error_code cancelled) {
        if (!cancelled) accept();
      });
    });
  }

  template <typename Start>
  void keep_accepting(const Start& start) {
    not_accepting = false;
    try {
      start();
    } catch (...) {
      not_accepting = true;
      throw;
    }
  }

  // Over the limits a connection is closed at once.
  void admit(tcp::socket socket) {
    boost::system::error_code error;
    const auto peer = socket.remote_endpoint(error);
    if (error) return;
    socket.set_option(tcp::no_delay(true), error);
    const std::string address = peer.address().to_string();
    {
      const std::lock_guard lock(mutex);
      std::size_t& own = by_address[address];
      if (open >= shared.options.connections || own >= shared.options.connections_per_address) {
        return;
      }
      ++own;
      ++open;
    }
    std::shared_ptr<void> seat(nullptr, [this, address](void*) {  // called too if this throws
      const std::lock_guard lock(mutex);
      --open;
      if (--by_address[address] == 0) by_address.erase(address);
    });
    std::make_shared<HttpSession>(std::move(socket), shared, std::move(seat))->start();
  }

  HttpShared shared;
  WorkGuard working{shared.workers.get_executor()};
  mutable std::mutex mutex;
  std::map<std::string, std::size_t> by_address;
  std::size_t open = 0;
  asio::io_context io;  // its destructor drops the sessions left, which look at what is above
  WorkGuard listening{io.get_executor()};  // also while an exception keeps us from accepting
  tcp::acceptor acceptor;
  asio::steady_timer retry{io};
  std::atomic<bool> not_accepting{false};  // an exception broke the chain of accepts
  std::vector<std::thread> threads;
};

HttpServer::HttpServer(const HttpOptions& options, Handler handler)
    : impl_(std::make_unique<Impl>(options, std::move(handler))) {}

HttpServer::~HttpServer() = default;

std::string HttpServer::address() const {
  const auto endpoint = impl_->acceptor.local_endpoint();
  const std::string host = endpoint.address().is_v6() ? "[" + endpoint.address().to_string() + "]"
                                                      : endpoint.address().to_string();
  return fmt::format("http://{}:{}", host, endpoint.port());
}

void HttpServer::stop_listening() {
  asio::post(impl_->io, [impl = impl_.get()] {
    boost::system::error_code ignored;
    impl->acceptor.close(ignored);
  });
}

void HttpServer::stop() { impl_->stop(); }

std::size_t HttpServer::connections() const noexcept {
  const std::lock_guard lock(impl_->mutex);
  return impl_->open;
}

}  // namespace limbeck::serve

#include "limbeck/serve/http_server.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/serve/http_session.h"

namespace limbeck::serve {

namespace asio = boost::asio;
using asio::ip::tcp;

struct HttpServer::Impl {
  Impl(const HttpOptions& options, Handler handler) : acceptor(io) {
    shared.options = options;
    shared.handler = std::move(handler);
    listen();
    for (int i = 0; i < std::max(1, options.threads); ++i) {
      threads.emplace_back([this] { io.run(); });
    }
  }

  ~Impl() { stop(); }

  void stop() {
    io.stop();
    for (std::thread& thread : threads) thread.join();
    threads.clear();
    shared.workers.stop();
    shared.workers.join();
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
    acceptor.async_accept(asio::make_strand(io),
                          [this](boost::system::error_code error, tcp::socket socket) {
                            if (error == asio::error::operation_aborted) return;
                            if (!error) admit(std::move(socket));
                            if (!error) return accept();
                            // No descriptors are left: the ones in use will end.
                            retry.expires_after(std::chrono::milliseconds(50));
                            retry.async_wait([this](boost::system::error_code cancelled) {
                              if (!cancelled) accept();
                            });
                          });
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
    std::make_shared<HttpSession>(std::move(socket), shared, [this, address] {
      const std::lock_guard lock(mutex);
      --open;
      if (--by_address[address] == 0) by_address.erase(address);
    })->start();
  }

  HttpShared shared;
  mutable std::mutex mutex;
  std::map<std::string, std::size_t> by_address;
  std::size_t open = 0;
  asio::io_context io;  // its destructor drops the sessions left, which look at what is above
  tcp::acceptor acceptor;
  asio::steady_timer retry{io};
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

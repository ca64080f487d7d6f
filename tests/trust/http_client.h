// A client of `limbeck serve` as the tests need it: starts the server, asks, leaves early, sends
// what it likes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace limbeck::trust {

struct Server {
  pid_t pid = -1;
  std::uint16_t port = 0;  // 0: it ended before it said that it listens
};

// `limbeck serve MODEL OPTIONS...` on a free port; `in_child` is called in the new process first.
Server start_server(const char* limbeck, const char* model, const std::vector<const char*>& options,
                    const std::function<void()>& in_child = {});

// Asks it to end, and kills it where it does not in half a minute; the status that waitpid() tells.
int stop_server(const Server& server);

double resident_mib(pid_t pid);

// -1 if nothing listens there.
int connect_to(std::uint16_t port);
bool send_all(int socket, std::string_view bytes);

// The whole answer, of a connection that is closed behind it; "" if none comes in half a
// minute. Early: leaves with the first bytes.
std::string ask(std::uint16_t port, std::string_view request, bool leave_early = false);

struct Question {
  std::string request;
  const char* status;
};

// Every endpoint: streams, tools, schemas, embeddings, and requests that are refused.
std::vector<Question> questions();

std::string health();  // a request

// Whether an answer has that status, an error is told as the interface wants, a stream is whole.
bool is_answer(std::string_view answer, std::string_view status);

}  // namespace limbeck::trust

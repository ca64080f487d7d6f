// limbeck serve: a model behind OpenAI's API.
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstdlib>
#include <string>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/cache_option.h"
#include "limbeck/runtime/model.h"
#include "limbeck/serve/http_server.h"
#include "limbeck/serve/service.h"

namespace limbeck::cli {
namespace {

struct ServeArguments {
  std::string model, name, key_variable;
  double drain_seconds = 30;
  serve::HttpOptions http;
  serve::EngineOptions engine;
};

void add_options(Arguments& arguments, ServeArguments& s) {
  CLI::App& app = arguments.app();
  app.add_option("model", s.model, "A model folder or .gguf file")->required();
  app.add_option("--host", s.http.host, "Address to listen at");
  app.add_option("--port", s.http.port, "Port; 0: any free one")->check(CLI::Range(0, 65535));
  app.add_option("--name", s.name, "The model's name for clients (default: the file's)");
  app.add_option("--parallel", s.engine.parallel, "Answers made at once")
      ->check(CLI::Range(1, 256));
  app.add_option("--context", s.engine.context,
                 "Tokens of prompt and answer; 0: the model's, at most 8192")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--queue", s.engine.queue,
                 "Requests that wait at most; more are told to try again")
      ->check(CLI::Range(1, 65536));
  add_cache_option(app, s.engine.cache);
  app.add_option("--api-key-env", s.key_variable,
                 "Environment variable with the key that clients must send");
  app.add_flag("--insecure", s.http.insecure, "Listen at any address without a key");
  app.add_option("--max-body", s.http.body_bytes, "Bytes of a request")->check(CLI::PositiveNumber);
  app.add_option("--max-connections", s.http.connections, "Open connections at most")
      ->check(CLI::PositiveNumber);
  app.add_option("--max-connections-per-address", s.http.connections_per_address,
                 "Of one client address")
      ->check(CLI::PositiveNumber);
  app.add_option("--drain", s.drain_seconds, "Seconds to finish answers in when stopped")
      ->check(CLI::NonNegativeNumber);
}

std::string key_from(const std::string& variable) {
  if (variable.empty()) return {};
  const char* key = std::getenv(variable.c_str());
  if (!key || !*key) {
    fail(ErrorKind::usage, "--api-key-env: the environment variable {} is not set", variable);
  }
  return key;
}

void wait_for_signal() {
  while (!interrupted()) ::usleep(50'000);
}

// A server lives long: one heap for its few threads, and large blocks always of their own, or what
// comes and goes leaves holes that add up over hours.
void keep_memory_together() {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
}

}  // namespace

int run_serve(int argc, char** argv) {
  ServeArguments s;
  Arguments arguments(
      "serve",
      "Answers OpenAI's clients over HTTP: chat, completions, embeddings; tools, JSON\n"
      "schemas, log-probabilities, streams. Stops after the answers under way on Ctrl-C.",
      "limbeck serve student-q4.gguf\n"
      "limbeck serve model.gguf --port 9000 --parallel 16\n"
      "limbeck serve model.gguf --host 0.0.0.0 --api-key-env LIMBECK_KEY");
  add_options(arguments, s);
  if (!arguments.parse(argc, argv)) return 0;
  s.http.api_key = key_from(s.key_variable);
  keep_memory_together();

  const Checkpoint checkpoint = Checkpoint::open(s.model);
  if (s.name.empty()) s.name = checkpoint.path().stem().string();
  const Tokenizer& tokenizer = checkpoint.tokenizer();
  const Model model(checkpoint, {.threads = arguments.common().threads});
  ThreadPool pool(arguments.common().threads);
  serve::Engine engine(model, tokenizer, pool, s.engine);
  serve::Service service(engine, model, s.name);
  serve::HttpServer server(
      s.http, [&](const serve::Request& request, std::shared_ptr<serve::Exchange> exchange) {
        service.handle(request, std::move(exchange));
      });
  print(fmt::format("{} at {}/v1, {} answers at once, {} tokens each\n", s.name, server.address(),
                    s.engine.parallel, engine.context()));
  wait_for_signal();
  server.stop_listening();
  engine.drain(s.drain_seconds);
  ::usleep(200'000);  // the last words are on their way
  server.stop();
  engine.stop();
  return 0;
}

}  // namespace limbeck::cli

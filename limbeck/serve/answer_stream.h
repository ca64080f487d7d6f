// One answer as a stream of server-sent events.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "limbeck/serve/engine.h"
#include "limbeck/serve/exchange.h"
#include "limbeck/serve/reply.h"
#include "limbeck/serve/request.h"

namespace limbeck::serve {

// One answer as a stream of chunks. Its callbacks come from the engine's thread alone.
class AnswerStream {
 public:
  AnswerStream(std::shared_ptr<Exchange> exchange, const Tokenizer& tokenizer, ReplyHead head)
      : exchange_(std::move(exchange)), tokenizer_(tokenizer), head_(std::move(head)) {}

  void piece(const Generated& so_far, std::string_view text, const ChatRequest& request);
  void piece(const Generated& so_far, std::string_view text, const CompletionRequest& request);
  void end(const Outcome& outcome, const ChatRequest& request);
  void end(const Outcome& outcome, const CompletionRequest& request);

  std::int64_t prompt_tokens = 0;

 private:
  // The first chunk names the role, as OpenAI's does.
  void begin();
  Json choice(Json content, Json reason) const;
  void flush(const Generated& so_far, bool logprobs);
  void send_text(std::string_view text, Json logprobs);
  // The name once, then the arguments.
  void send_calls(const Json& calls);
  Generated slice(const Generated& all);
  void send(Json entry);
  void finish(const Outcome& outcome, bool include_usage);
  void end_with(const Error& error);

  std::shared_ptr<Exchange> exchange_;
  const Tokenizer& tokenizer_;
  ReplyHead head_;
  std::string held_;      // not sent yet
  std::size_t told_ = 0;  // tokens whose log-probabilities were sent
  bool begun_ = false;
};

}  // namespace limbeck::serve

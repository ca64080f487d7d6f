#include "limbeck/serve/answer_stream.h"

#include <utility>

#include "limbeck/base/utf8.h"
#include "limbeck/serve/send.h"

namespace limbeck::serve {

void AnswerStream::piece(const Generated& so_far, std::string_view text,
                         const ChatRequest& request) {
  held_ += text;
  if (!request.tools.is_null() && (request.must_call || may_be_call(so_far.text))) return;
  flush(so_far, request.logprobs);
}

void AnswerStream::piece(const Generated& so_far, std::string_view text,
                         const CompletionRequest& request) {
  Json logprobs;
  if (request.logprobs) {
    Outcome part;
    part.generated = slice(so_far);
    logprobs = completion_logprobs(tokenizer_, {}, part, request.options.top_logprobs > 0);
  }
  send_text(text, std::move(logprobs));
}

void AnswerStream::end(const Outcome& outcome, const ChatRequest& request) {
  if (outcome.error) return end_with(*outcome.error);
  const Generated& generated = outcome.generated;
  bool called = false;
  if (!request.tools.is_null()) {
    if (const auto calls = tool_calls_of(generated.text, request.tools)) {
      called = true;
      send_calls(*calls);
      held_.clear();
    }
  }
  if (!held_.empty()) flush(generated, request.logprobs);
  begin();
  send(choice({{"delta", Json::object()}}, Json(finish_reason(generated.finish, called))));
  finish(outcome, request.include_usage);
}

void AnswerStream::end(const Outcome& outcome, const CompletionRequest& request) {
  if (outcome.error) return end_with(*outcome.error);
  begin();
  send(choice({{"text", ""}}, Json(finish_reason(outcome.generated.finish, false))));
  finish(outcome, request.include_usage);
}

void AnswerStream::begin() {
  if (std::exchange(begun_, true)) return;
  exchange_->begin_stream();
  if (head_.chat) {
    send(choice({{"delta", {{"role", "assistant"}, {"content", ""}}}}, nullptr));
  }
}

Json AnswerStream::choice(Json content, Json reason) const {
  content["index"] = 0;
  content["logprobs"] = nullptr;
  content["finish_reason"] = std::move(reason);
  return content;
}

void AnswerStream::flush(const Generated& so_far, bool logprobs) {
  Json found;
  if (logprobs) found = chat_logprobs(tokenizer_, so_far, told_, so_far.ids.size());
  told_ = so_far.ids.size();
  send_text(std::exchange(held_, {}), std::move(found));
}

void AnswerStream::send_text(std::string_view text, Json logprobs) {
  begin();
  const std::string clean = replace_invalid_utf8(text);
  Json entry = head_.chat ? choice({{"delta", {{"content", clean}}}}, nullptr)
                          : choice({{"text", clean}}, nullptr);
  if (!logprobs.is_null()) entry["logprobs"] = std::move(logprobs);
  send(std::move(entry));
}

void AnswerStream::send_calls(const Json& calls) {
  begin();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    Json call = calls[i];
    const std::string arguments = call["function"]["arguments"];
    call["index"] = i;
    call["function"]["arguments"] = "";
    send(choice({{"delta", {{"tool_calls", Json::array({call})}}}}, nullptr));
    const Json rest = {{"index", i}, {"function", {{"arguments", arguments}}}};
    send(choice({{"delta", {{"tool_calls", Json::array({rest})}}}}, nullptr));
  }
}

Generated AnswerStream::slice(const Generated& all) {
  Generated part;
  for (; told_ < all.ids.size(); ++told_) {
    part.ids.push_back(all.ids[told_]);
    part.logprobs.push_back(all.logprobs[told_]);
    if (told_ < all.top.size()) part.top.push_back(all.top[told_]);
  }
  return part;
}

void AnswerStream::send(Json entry) {
  exchange_->send_event(limbeck::to_text(chunk(head_, std::move(entry), nullptr)));
}

void AnswerStream::finish(const Outcome& outcome, bool include_usage) {
  if (include_usage) {
    const Usage usage{prompt_tokens, static_cast<std::int64_t>(outcome.generated.ids.size()),
                      outcome.cached_tokens};
    exchange_->send_event(limbeck::to_text(chunk(head_, nullptr, &usage)));
  }
  exchange_->send_event("[DONE]");
  exchange_->end_stream();
}

void AnswerStream::end_with(const Error& error) {
  const ApiError shown = from_outcome(error);
  if (!begun_) return serve::send(*exchange_, shown);
  exchange_->send_event(limbeck::to_text(shown.to_json()));
  exchange_->end_stream();
}

}  // namespace limbeck::serve

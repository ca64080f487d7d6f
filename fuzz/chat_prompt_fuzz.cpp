// A conversation (the first line) and tools (the rest) through the template of models made here:
// what users write never becomes one of the tokens that hold the conversation together.
#include <string>

#include "fuzz/target.h"
#include "limbeck/text/bpe_trainer.h"
#include "limbeck/text/chat_prompt.h"

namespace {

using namespace limbeck;

const Tokenizer& tokenizer() {
  static const Tokenizer made = [] {
    BpeTrainOptions options;
    options.vocab_size = 300;
    options.chat_template = kDefaultChatTemplate;
    const auto trained = train_bpe([](const auto& add) { add("assistant system user"); }, options);
    return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json, "made");
  }();
  return made;
}

std::size_t controls(const std::vector<TokenId>& ids) {
  std::size_t n = 0;
  for (const TokenId id : ids) n += tokenizer().kind(id) == TokenKind::control;
  return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::value_or_error([&] {
    const auto all = fuzz::as_text(data, size);
    const auto end = std::min(all.find('\n'), all.size());
    const Json messages = parse_json(all.substr(0, end), "messages");
    const auto rest = all.substr(std::min(end + 1, all.size()));
    const Json tools = rest.empty() ? Json() : parse_json(rest, "tools");
    // A beginning and an end of each message and of the list of tools; one beginning for the
    // answer.
    const std::size_t most = 2 * (messages.size() + 1) + 1;
    fuzz::require(controls(chat_prompt(tokenizer(), messages, tools)) <= most, "no forged turn");
  });
}

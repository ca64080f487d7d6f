// A conversation (the first line) and tools (the rest) through the template of models made here:
// what users write never becomes one of the tokens that hold the conversation together. A first
// byte 'p' picks a model without a template, 't' one with a template for tools, and 'e' one whose
// template is the text itself.
#include <string>

#include "fuzz/target.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/bpe_trainer.h"
#include "limbeck/text/chat_prompt.h"

namespace {

using namespace limbeck;

// `config` beside what the trainer writes.
Tokenizer made(const std::string& chat_template, const Json& config = Json::object()) {
  BpeTrainOptions options;
  options.vocab_size = 300;
  options.chat_template = chat_template;
  const auto trained = train_bpe([](const auto& add) { add("assistant system user"); }, options);
  Json written = parse_json(trained.tokenizer_config_json, "made");
  written.update(config);
  return Tokenizer::from_json(trained.tokenizer_json, to_text(written), "made");
}

const Tokenizer& tokenizer(char kind) {
  static const Tokenizer chat = made(std::string(kDefaultChatTemplate)), plain = made("");
  static const Tokenizer tools =
      made("", {{"chat_template",
                 {{{"name", "default"}, {"template", "{{ messages[0].content }}"}},
                  {{"name", "tool_use"}, {"template", "{{ tools | length }}{{ eos_token }}"}}}}});
  return kind == 'p' ? plain : kind == 't' ? tools : chat;
}

void end_of(std::string_view source) {
  static const Tokenizer plain = made("");
  static const Json config = parse_json(plain.to_tokenizer_config_json(), "made");
  Json with = config;
  with["chat_template"] = source;
  const Tokenizer other = Tokenizer::from_json(plain.to_tokenizer_json(), to_text(with), "made");
  const TokenId end = answer_end(other);
  fuzz::require(end >= 0 && end < other.vocab_size(), "an end is a token");
}

std::size_t controls(const Tokenizer& of, const std::vector<TokenId>& ids) {
  std::size_t n = 0;
  for (const TokenId id : ids) n += of.kind(id) == TokenKind::control;
  return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::value_or_error([&] {
    auto all = fuzz::as_text(data, size);
    const char kind =
        all.starts_with('p') || all.starts_with('t') || all.starts_with('e') ? all[0] : ' ';
    if (kind != ' ') all.remove_prefix(1);
    if (kind == 'e') return end_of(replace_invalid_utf8(all));
    const auto end = std::min(all.find('\n'), all.size());
    const Json messages = parse_json(all.substr(0, end), "messages");
    const auto rest = all.substr(std::min(end + 1, all.size()));
    const Json tools = rest.empty() ? Json() : parse_json(rest, "tools");
    // A beginning and an end of each message and of the list of tools; one beginning for the
    // answer.
    const std::size_t most = 2 * (messages.size() + 1) + 1;
    const Tokenizer& of = tokenizer(kind);
    fuzz::require(controls(of, chat_prompt(of, messages, tools)) <= most, "no forged turn");
    answer_end(of);
  });
}

// limbeck chat: a conversation on the terminal, one line a message.
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/model_commands.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::cli {
namespace {

// What the decoder already holds of the conversation is not run again.
class Conversation {
 public:
  Conversation(Decoder& decoder, const Tokenizer& tokenizer, const GenerateOptions& options)
      : decoder_(decoder), tokenizer_(tokenizer), options_(options) {}

  void add(const char* role, std::string text) {
    messages_.push_back({{"role", role}, {"content", std::move(text)}});
  }

  // The answer, printed as it comes. Throws Error{usage} when the context is full.
  void answer() {
    const std::vector<TokenId> prompt = chat_prompt(tokenizer_, messages_);
    std::size_t shared = 0;
    while (shared + 1 < prompt.size() && shared < held_.size() && held_[shared] == prompt[shared]) {
      ++shared;
    }
    decoder_.truncate(0, static_cast<std::int64_t>(shared));
    held_.assign(prompt.begin(), prompt.end());
    const Generated generated =
        limbeck::generate(decoder_, tokenizer_, std::span(prompt).subspan(shared), options_,
                          [](std::string_view piece) {
                            print(safe_tty(piece, true));
                            return true;
                          });
    print("\n");
    held_.insert(held_.end(), generated.ids.begin(), generated.ids.end());
    held_.resize(static_cast<std::size_t>(decoder_.length()));  // the last token was not run
    add("assistant", generated.text);
  }

 private:
  Decoder& decoder_;
  const Tokenizer& tokenizer_;
  const GenerateOptions& options_;
  Json messages_ = Json::array();
  std::vector<TokenId> held_;
};

}  // namespace

int run_chat(int argc, char** argv) {
  std::string path, system;
  GenerateOptions options;
  options.max_tokens = 512;
  Arguments arguments("chat", "Talks with a model: one line a message, until the end of input.",
                      "limbeck chat model.gguf --system \"Answer in one sentence.\"\n"
                      "echo \"What is a still?\" | limbeck chat model/ --temperature 0.7");
  arguments.app().add_option("model", path, "A model folder or .gguf file")->required();
  arguments.app().add_option("--system", system, "The system message");
  add_sampling_options(arguments.app(), options);
  if (!arguments.parse(argc, argv)) return 0;
  options.sampling.seed = arguments.common().seed;

  const Checkpoint checkpoint = Checkpoint::open(path);
  const Tokenizer& tokenizer = checkpoint.tokenizer();
  const Model model(checkpoint, {.threads = arguments.common().threads});
  ThreadPool pool(arguments.common().threads);
  Decoder decoder(model, pool);
  Conversation conversation(decoder, tokenizer, options);
  if (!system.empty()) conversation.add("system", system);
  const bool prompting = is_terminal(0) && is_terminal(1);
  if (prompting) say("one line a message; Ctrl-D ends");
  for (std::string line;;) {
    if (prompting) print("> ");
    if (!std::getline(std::cin, line)) break;
    if (line.empty()) continue;
    conversation.add("user", line);
    conversation.answer();
  }
  return 0;
}

}  // namespace limbeck::cli

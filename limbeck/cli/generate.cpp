// limbeck generate: the text (or ids) a model continues a prompt with.
#include "limbeck/runtime/generate.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/model_commands.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::cli {
namespace {

struct GenerateArguments {
  std::string model, prompt, schema;
  std::vector<std::string> choices;
  std::vector<TokenId> ids;
  bool chat = false;
  int logprobs = 0;
  GenerateOptions options;
};

void add_options(Arguments& arguments, GenerateArguments& g) {
  CLI::App& app = arguments.app();
  app.add_option("model", g.model, "A model folder or .gguf file")->required();
  CLI::Option* prompt = app.add_option("prompt", g.prompt, "The text to continue");
  app.add_option("--prompt-ids", g.ids, "Token ids to continue instead (a model without tokenizer)")
      ->delimiter(',')
      ->excludes(prompt);
  app.add_flag("--chat", g.chat, "The prompt is a user message: use the model's chat template");
  add_sampling_options(app, g.options);
  app.add_option("--stop", g.options.stop, "Texts that end the answer (several allowed)");
  CLI::Option* choices =
      app.add_option("--choices", g.choices, "The answer is one of these")->delimiter(',');
  app.add_option("--grammar-schema", g.schema, "A JSON Schema file that the answer fits")
      ->excludes(choices);
  app.add_option("--logprobs", g.logprobs, "With --json: this many alternatives of each token")
      ->check(CLI::Range(0, 1000));
  app.add_flag("--ignore-eos", g.options.ignore_eos, "Go on after the end-of-text token");
  arguments.add_json();
}

std::vector<TokenId> prompt_ids(const GenerateArguments& g, const Checkpoint& checkpoint) {
  if (!g.ids.empty()) return g.ids;
  const Tokenizer& tokenizer = checkpoint.tokenizer();
  if (g.chat) {
    return chat_prompt(tokenizer, Json::array({{{"role", "user"}, {"content", g.prompt}}}));
  }
  std::vector<TokenId> ids = tokenizer.encode(g.prompt);
  // The end-of-text token that some models want after a text would end what is to be continued.
  if (ids.size() > 1 && tokenizer.eos() && ids.back() == *tokenizer.eos()) ids.pop_back();
  return ids;
}

std::optional<Grammar> grammar_of(const GenerateArguments& g) {
  if (!g.choices.empty()) return Grammar::from_choices(g.choices);
  if (g.schema.empty()) return std::nullopt;
  return Grammar::from_json_schema(read_json_file(g.schema));
}

Json logprobs_json(const Generated& generated) {
  Json list = Json::array();
  for (std::size_t i = 0; i < generated.ids.size(); ++i) {
    Json top = Json::array();
    for (const TokenLogprob& other : generated.top[i]) top.push_back({other.id, other.logprob});
    list.push_back(
        {{"id", generated.ids[i]}, {"logprob", generated.logprobs[i]}, {"top", std::move(top)}});
  }
  return list;
}

}  // namespace

int run_generate(int argc, char** argv) {
  GenerateArguments g;
  Arguments arguments(
      "generate", "Continues a prompt.",
      "limbeck generate model.gguf \"Once upon a time\" --max-tokens 64\n"
      "limbeck generate model/ \"I lost my card\" --chat --choices card,cash,other");
  add_options(arguments, g);
  if (!arguments.parse(argc, argv)) return 0;
  const bool json = arguments.common().json;
  g.options.sampling.seed = arguments.common().seed;
  g.options.top_logprobs = g.logprobs;
  const auto grammar = grammar_of(g);
  g.options.grammar = grammar ? &*grammar : nullptr;

  const Checkpoint checkpoint = Checkpoint::open(g.model);
  const std::vector<TokenId> prompt = prompt_ids(g, checkpoint);
  const Model model(checkpoint, {.threads = arguments.common().threads});
  ThreadPool pool(arguments.common().threads);
  // No more context than the answer can need: some models scale their positions by it.
  const auto needed = static_cast<std::int64_t>(prompt.size()) + g.options.max_tokens;
  const std::int64_t limit = checkpoint.architecture().context_length;
  Decoder decoder(model, pool, {.context = std::min(needed, limit)});
  const auto begin = std::chrono::steady_clock::now();
  const Generated generated =
      checkpoint.has_tokenizer()
          ? limbeck::generate(decoder, checkpoint.tokenizer(), prompt, g.options,
                              [&](std::string_view piece) {
                                if (!json) print(safe_tty(piece, true));
                                return true;
                              })
          : generate_ids(decoder, prompt, g.options);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (!json) {
    if (!checkpoint.has_tokenizer()) print(fmt::format("{}", fmt::join(generated.ids, " ")));
    print("\n");
    return 0;
  }
  Json out = {{"text", generated.text},
              {"ids", generated.ids},
              {"prompt_tokens", prompt.size()},
              {"finish", name(generated.finish)},
              {"seconds", seconds.count()}};
  if (g.logprobs > 0) out["logprobs"] = logprobs_json(generated);
  print_json(out);
  return 0;
}

}  // namespace limbeck::cli

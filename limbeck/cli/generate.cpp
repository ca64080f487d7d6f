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
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/cache_option.h"
#include "limbeck/cli/model_commands.h"
#include "limbeck/runtime/speculative.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::cli {
namespace {

struct GenerateArguments {
  std::string model, prompt, schema, draft;
  std::vector<std::string> choices;
  std::vector<TokenId> ids;
  bool chat = false;
  int logprobs = 0, draft_tokens = 8;
  TensorType cache = TensorType::f32;
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
  CLI::Option* draft = app.add_option(
      "--draft", g.draft,
      "A smaller model of the same tokens, or of some, that drafts: same answer, sooner");
  app.add_option("--draft-tokens", g.draft_tokens, "Drafted at a time, at most")
      ->check(CLI::Range(1, 64))
      ->needs(draft);
  add_cache_option(app, g.cache);
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

// The model that drafts, where one is asked for.
struct Draft {
  Draft(const std::string& path, const Checkpoint& target, const ModelOptions& options,
        ThreadPool& pool, DecoderOptions decoder_options)
      : checkpoint(Checkpoint::open(path)), model(checkpoint, options) {
    const bool both = checkpoint.has_tokenizer() && target.has_tokenizer();
    const bool neither = !checkpoint.has_tokenizer() && !target.has_tokenizer();
    const bool same_size = checkpoint.architecture().vocab_size == target.architecture().vocab_size;
    if (!both && !(neither && same_size)) {
      fail_try(ErrorKind::usage, "a draft distilled or cut from this model",
               "{}: its vocabulary is not that of {}", path, target.path().string());
    }
    if (both) tokens.emplace(target.tokenizer(), checkpoint.tokenizer());
    decoder_options.context =
        std::min(decoder_options.context, checkpoint.architecture().context_length);
    decoder.emplace(model, pool, decoder_options);
  }
  const Checkpoint checkpoint;
  const Model model;
  std::optional<DraftTokens> tokens;
  std::optional<Decoder> decoder;
  SpeculativeStats stats;
};

double acceptance(const SpeculativeStats& stats) {
  return stats.drafted ? static_cast<double>(stats.accepted) / static_cast<double>(stats.drafted)
                       : 0;
}

Generated answer(const GenerateArguments& g, const Checkpoint& checkpoint, Decoder& decoder,
                 Draft* draft, std::span<const TokenId> prompt, bool json) {
  const auto show = [&](std::string_view piece) {
    if (!json) print(safe_tty(piece, true));
    return true;
  };
  if (!checkpoint.has_tokenizer()) {
    return draft ? generate_speculative_ids(decoder, *draft->decoder, prompt, g.options,
                                            g.draft_tokens, draft->stats)
                 : generate_ids(decoder, prompt, g.options);
  }
  const Tokenizer& tokenizer = checkpoint.tokenizer();
  return draft ? generate_speculative(decoder, *draft->decoder, tokenizer, *draft->tokens, prompt,
                                      g.options, g.draft_tokens, draft->stats, show)
               : limbeck::generate(decoder, tokenizer, prompt, g.options, show);
}

}  // namespace

int run_generate(int argc, char** argv) {
  GenerateArguments g;
  Arguments arguments(
      "generate", "Continues a prompt.",
      "limbeck generate model.gguf \"Once upon a time\" --max-tokens 64\n"
      "limbeck generate model/ \"I lost my card\" --chat --choices card,cash,other\n"
      "limbeck generate teacher/ \"Once upon a time\" --draft student.gguf");
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
  const DecoderOptions decoder_options{.context = std::min(needed, limit), .cache = g.cache};
  Decoder decoder(model, pool, decoder_options);
  std::optional<Draft> draft;
  if (!g.draft.empty()) {
    draft.emplace(g.draft, checkpoint, ModelOptions{.threads = arguments.common().threads}, pool,
                  decoder_options);
  }
  const auto begin = std::chrono::steady_clock::now();
  const Generated generated =
      answer(g, checkpoint, decoder, draft ? &*draft : nullptr, prompt, json);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (!json) {
    if (!checkpoint.has_tokenizer()) print(fmt::format("{}", fmt::join(generated.ids, " ")));
    print("\n");
    if (draft) {
      say(fmt::format("drafted {} tokens, kept {} ({:.0f} %)", draft->stats.drafted,
                      draft->stats.accepted, 100 * acceptance(draft->stats)));
    }
    return 0;
  }
  Json out = {{"text", generated.text},
              {"ids", generated.ids},
              {"prompt_tokens", prompt.size()},
              {"finish", name(generated.finish)},
              {"seconds", seconds.count()}};
  if (g.logprobs > 0) out["logprobs"] = logprobs_json(generated);
  if (draft) {
    out["speculative"] = {{"drafted", draft->stats.drafted},
                          {"accepted", draft->stats.accepted},
                          {"acceptance", acceptance(draft->stats)},
                          {"passes", draft->stats.passes}};
  }
  print_json(out);
  return 0;
}

}  // namespace limbeck::cli

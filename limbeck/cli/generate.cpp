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
#include "limbeck/cli/task_question.h"
#include "limbeck/runtime/speculative.h"
#include "limbeck/teacher/answer.h"
#include "limbeck/teacher/answer_form.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::cli {
namespace {

struct GenerateArguments {
  std::string model, prompt, schema, draft, task;
  std::vector<std::string> choices;
  std::vector<TokenId> ids;
  bool chat = false, free_form = false;
  std::int64_t item = 0;
  int logprobs = 0;
  TensorType cache = TensorType::f32;
  GenerateOptions options;
  SpeculativeOptions speculative;
};

void add_options(Arguments& arguments, GenerateArguments& g) {
  CLI::App& app = arguments.app();
  app.add_option("model", g.model, "A model folder or .gguf file")->required();
  CLI::Option* prompt = app.add_option("prompt", g.prompt, "The text to continue");
  app.add_option("--prompt-ids", g.ids, "Token ids to continue instead (a model without tokenizer)")
      ->delimiter(',')
      ->excludes(prompt);
  CLI::Option* chat =
      app.add_flag("--chat", g.chat, "The prompt is a user message: use the model's chat template");
  CLI::Option* task =
      app.add_option("--task", g.task,
                     "A task folder: the prompt is an input of it, which each model reads in the "
                     "form that it was trained on; the answer is of the task's form")
          ->excludes(chat);
  app.add_option("--item", g.item, "With --task: this input of its test set instead, from 1")
      ->check(CLI::PositiveNumber)
      ->needs(task)
      ->excludes(prompt);
  app.add_flag("--free-form", g.free_form,
               "With --task: do not force the answer into the task's form")
      ->needs(task);
  add_sampling_options(app, g.options);
  app.add_option("--stop", g.options.stop, "Texts that end the answer (several allowed)");
  CLI::Option* choices = app.add_option("--choices", g.choices, "The answer is one of these")
                             ->delimiter(',')
                             ->excludes(task);
  app.add_option("--grammar-schema", g.schema, "A JSON Schema file that the answer fits")
      ->excludes(choices)
      ->excludes(task);
  app.add_option("--logprobs", g.logprobs, "With --json: this many alternatives of each token")
      ->check(CLI::Range(0, 1000));
  add_draft_options(app, g.draft, g.speculative);
  add_cache_option(app, g.cache);
  app.add_flag("--ignore-eos", g.options.ignore_eos, "Go on after the end-of-text token");
  arguments.add_json();
}

std::vector<TokenId> prompt_ids(const GenerateArguments& g, const Checkpoint& checkpoint,
                                const std::optional<TaskQuestion>& question) {
  if (!g.ids.empty()) return g.ids;
  const Tokenizer& tokenizer = checkpoint.tokenizer();
  if (question) {
    return task_prompt(tokenizer, question->task, question->input,
                       prompt_style_of(checkpoint.manifest()));
  }
  if (g.chat) {
    return chat_prompt(tokenizer, Json::array({{{"role", "user"}, {"content", g.prompt}}}));
  }
  std::vector<TokenId> ids = tokenizer.encode(g.prompt);
  // The end-of-text token that some models want after a text would end what is to be continued.
  if (ids.size() > 1 && tokenizer.eos() && ids.back() == *tokenizer.eos()) ids.pop_back();
  return ids;
}

// The answer's language, and fewer tokens at most where a task says so.
std::optional<Grammar> grammar_of(GenerateArguments& g,
                                  const std::optional<TaskQuestion>& question) {
  if (question) {
    AnswerForm form = answer_form(question->task, g.options.max_tokens, !g.free_form);
    g.options.max_tokens = form.max_tokens;
    return std::move(form.grammar);
  }
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

// Room for a prompt and its answer, no more: some models scale their positions by the context.
DecoderOptions room_for(std::span<const TokenId> prompt, const Checkpoint& checkpoint,
                        const GenerateArguments& g) {
  const auto needed = std::ssize(prompt) + g.options.max_tokens;
  return {.context = std::min(needed, checkpoint.architecture().context_length), .cache = g.cache};
}

// The model that drafts, where one is asked for.
struct Draft {
  Draft(const std::string& path, const Checkpoint& target, const ModelOptions& options)
      : checkpoint(Checkpoint::open(path)), model(checkpoint, options) {
    const bool both = checkpoint.has_tokenizer() && target.has_tokenizer();
    const bool neither = !checkpoint.has_tokenizer() && !target.has_tokenizer();
    const bool same_size = checkpoint.architecture().vocab_size == target.architecture().vocab_size;
    if (!both && !(neither && same_size)) {
      fail_try(ErrorKind::usage, "a draft distilled or cut from this model",
               "{}: its vocabulary is not that of {}", path, target.path().string());
    }
    if (both) tokens.emplace(target.tokenizer(), checkpoint.tokenizer());
  }
  // What it reads of what the target reads as `prompt`: its own form of a task's input.
  void read(const GenerateArguments& g, const std::optional<TaskQuestion>& question,
            const std::vector<TokenId>& of_target, ThreadPool& pool) {
    prompt = question ? prompt_ids(g, checkpoint, question)
             : tokens ? tokens->of_draft(of_target)
                      : of_target;
    decoder.emplace(model, pool, room_for(prompt, checkpoint, g));
  }
  const Checkpoint checkpoint;
  const Model model;
  std::optional<DraftTokens> tokens;
  std::vector<TokenId> prompt;
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
    return draft ? generate_speculative_ids(decoder, *draft->decoder, {prompt, draft->prompt},
                                            g.options, g.speculative, draft->stats)
                 : generate_ids(decoder, prompt, g.options);
  }
  const Tokenizer& tokenizer = checkpoint.tokenizer();
  return draft ? generate_speculative(decoder, *draft->decoder, tokenizer, *draft->tokens,
                                      {prompt, draft->prompt}, g.options, g.speculative,
                                      draft->stats, show)
               : limbeck::generate(decoder, tokenizer, prompt, g.options, show);
}

}  // namespace

int run_generate(int argc, char** argv) {
  GenerateArguments g;
  Arguments arguments(
      "generate", "Continues a prompt.",
      "limbeck generate model.gguf \"Once upon a time\" --max-tokens 64\n"
      "limbeck generate model/ \"I lost my card\" --chat --choices card,cash,other\n"
      "limbeck generate teacher/ \"where is my order\" --task tasks/routing --draft student.gguf");
  add_options(arguments, g);
  if (!arguments.parse(argc, argv)) return 0;
  const bool json = arguments.common().json;
  g.options.sampling.seed = arguments.common().seed;
  g.options.top_logprobs = g.logprobs;
  std::optional<TaskQuestion> question;
  if (!g.task.empty()) question = read_question(g.task, g.prompt, g.item);
  const auto grammar = grammar_of(g, question);
  g.options.grammar = grammar ? &*grammar : nullptr;

  const Checkpoint checkpoint = Checkpoint::open(g.model);
  const std::vector<TokenId> prompt = prompt_ids(g, checkpoint, question);
  const Model model(checkpoint, {.threads = arguments.common().threads});
  ThreadPool pool(arguments.common().threads);
  Decoder decoder(model, pool, room_for(prompt, checkpoint, g));
  std::optional<Draft> draft;
  if (!g.draft.empty()) {
    draft.emplace(g.draft, checkpoint, ModelOptions{.threads = arguments.common().threads});
    draft->read(g, question, prompt, pool);
  }
  std::optional<TokenMask> mask;  // made before the clock starts
  if (grammar && checkpoint.has_tokenizer()) mask.emplace(token_texts(checkpoint.tokenizer()));
  g.options.mask = mask ? &*mask : nullptr;
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

#include "limbeck/cli/model_commands.h"

namespace limbeck::cli {

void add_sampling_options(CLI::App& app, GenerateOptions& options) {
  app.add_option("--max-tokens", options.max_tokens, "Tokens of the answer at most")
      ->check(CLI::PositiveNumber);
  SamplingOptions& s = options.sampling;
  app.add_option("--temperature", s.temperature, "0: the most likely token, always");
  app.add_option("--top-k", s.top_k, "Draw among this many; 0: all");
  app.add_option("--top-p", s.top_p, "Draw among the most likely of this total probability");
  app.add_option("--min-p", s.min_p, "Leave out what is less likely than this times the likeliest");
  app.add_option("--repetition-penalty", s.repetition_penalty, "Over 1: fewer repetitions");
}

CLI::Option* add_draft_options(CLI::App& app, std::string& draft, SpeculativeOptions& options) {
  CLI::Option* option = app.add_option(
      "--draft", draft,
      "A smaller model of the same tokens, or of some, that drafts: same answer, sooner");
  app.add_option("--draft-tokens", options.most, "Drafted at a time, at most")
      ->check(CLI::Range(1, 64))
      ->needs(option);
  app.add_option("--draft-sure", options.sure,
                 "Draft on while all drafted is right with this probability, by the draft's own")
      ->check(CLI::Range(0.0, 1.0))
      ->needs(option);
  return option;
}

}  // namespace limbeck::cli

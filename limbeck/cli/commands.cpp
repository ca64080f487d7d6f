#include "limbeck/cli/commands.h"

#include <string>

#include "limbeck/cli/help.h"

namespace limbeck::cli {

// Each in its own file.
int run_train(int argc, char** argv);
int run_run(int argc, char** argv);
int run_advise(int argc, char** argv);
int run_distill(int argc, char** argv);
int run_compare(int argc, char** argv);
int run_eval(int argc, char** argv);
int run_label(int argc, char** argv);
int run_synthesize(int argc, char** argv);
int run_tokenize(int argc, char** argv);
int run_template(int argc, char** argv);
int run_quantize(int argc, char** argv);
int run_convert(int argc, char** argv);
int run_inspect(int argc, char** argv);
int run_bench(int argc, char** argv);
int run_chat(int argc, char** argv);
int run_generate(int argc, char** argv);
int run_serve(int argc, char** argv);
int run_runs(int argc, char** argv);
int run_resume(int argc, char** argv);
int run_completion(int argc, char** argv);
int run_manual(int argc, char** argv);

std::span<const Command> commands() noexcept {
  static constexpr Command kTable[] = {
      // name, one line of help, function, does it train, with which option; in the order of the
      // help screen
      {"run", "a recipe: gate, label, distil, quantize, compare, report", run_run, true},
      {"advise", "quantize, distil or both: a ranked plan with its costs", run_advise, true},
      {"distill", "train a small student on a teacher's answers", run_distill, true},
      {"compare", "models side by side on your own task", run_compare},
      {"eval", "score a model on a task, or on a text", run_eval},
      {"label", "answer a task's training inputs with a teacher, into a store", run_label},
      {"synthesize", "new training rows from a few, written and judged by a teacher",
       run_synthesize},
      {"tokenize", "text to token ids, and back", run_tokenize},
      {"template", "messages to the prompt that a chat template makes of them", run_template},
      {"quantize", "store a model in fewer bits", run_quantize, false, "--heal"},
      {"convert", "a model from one file format to the other", run_convert},
      {"inspect", "what a model file holds", run_inspect},
      {"train", "train a model from scratch, or further (how a local teacher is made)", run_train,
       true},
      {"generate", "continue a prompt", run_generate},
      {"chat", "talk with a model", run_chat},
      {"serve", "answer OpenAI's clients over HTTP", run_serve},
      {"bench", "speed of a model here, beside the limits of the machine", run_bench},
      {"runs", "the runs here and how far each came", run_runs},
      {"resume", "go on with a run that was stopped", run_resume, true},
      {"completion", "completion of commands and options for bash, zsh or fish", run_completion},
      {"manual", "the reference of all commands, as a man page or Markdown", run_manual},
  };
  return kTable;
}

Json describe_command(const Command& command) {
  std::string name(command.name), flag(kDescribeFlag);
  char* arguments[] = {name.data(), flag.data(), nullptr};
  try {
    command.run(2, arguments);
  } catch (const Description& description) {
    return description.json;
  }
  return nullptr;
}

}  // namespace limbeck::cli

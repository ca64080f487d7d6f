// limbeck train: pre-training and fine-tuning from one configuration file.
#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/ranks.h"
#include "limbeck/distill/train_data.h"

namespace limbeck::cli {
namespace {

using namespace limbeck::distill;

void tell(const PreparedTraining& prepared, const TrainingEstimate& estimate) {
  for (const auto& note : prepared.notes) say(note);
  say(fmt::format("{} parameters, {} steps, {} tokens, {:.3g} FLOP",
                  human_count(static_cast<double>(estimate.parameters)), estimate.steps,
                  human_count(static_cast<double>(estimate.tokens)), estimate.flops));
}

// What it took, or with dry_run would take: for --json.
Json train_as_configured(const TrainConfig& config, bool dry_run) {
  const PreparedTraining prepared = prepare_training(config);
  TrainOptions options = config.options;
  options.dev_rows = prepared.dev;
  const TrainingEstimate estimate = estimate_training(prepared, options);
  tell(prepared, estimate);
  Json json = {{"parameters", estimate.parameters},
               {"steps", estimate.steps},
               {"tokens", estimate.tokens},
               {"flops", estimate.flops}};
  if (dry_run) {
    const double rate = training_speed(prepared.architecture, options);
    const double seconds = static_cast<double>(estimate.tokens) / rate;
    say(fmt::format("about {} at {:.0f} tokens/s, measured just now on this machine",
                    human_seconds(seconds), rate));
    json["seconds"] = seconds;
    json["tokens_per_s"] = rate;
    return json;
  }
  options.checkpoint_folder = config.output.string() + ".checkpoints";
  options.metrics_file = config.output.string() + ".metrics.jsonl";
  Json manifest = {{"training", {{"config", config.origin.filename().string()}}}};
  if (!config.prompt.empty()) manifest["prompt"] = config.prompt;
  const TrainResult result = distill::train(config.start, prepared.tokenizer, prepared.rows,
                                            options, {}, config.output, manifest);
  say(fmt::format(
      "{}: loss {:.4f} after {} tokens in {}{}", config.output.string(), result.final_loss,
      human_count(static_cast<double>(result.tokens)), human_seconds(result.seconds),
      prepared.dev.empty() ? ""
                           : fmt::format(", dev perplexity {:.3f} (step {})",
                                         std::exp(-result.best_metric), result.best_step)));
  json.update({{"steps", result.steps},
               {"tokens", result.tokens},
               {"seconds", result.seconds},
               {"loss", result.final_loss},
               {"peak_bytes", result.peak_bytes},
               {"resumed", result.resumed}});
  if (!prepared.dev.empty()) json["dev_perplexity"] = std::exp(-result.best_metric);
  return json;
}

}  // namespace

int run_train(int argc, char** argv) {
  Arguments arguments("train", "Trains a model from scratch, or further, on texts and answers.",
                      "limbeck train --config teacher.yaml --dry-run\n"
                      "limbeck train --config teacher.yaml -o teacher");
  std::string file, output;
  bool dry_run = false;
  arguments.app().add_option("--config", file, "What to train, on what, how (YAML)")->required();
  arguments.app().add_option("-o,--output", output, "Folder of the model (default: of the file)");
  arguments.app().add_flag("--dry-run", dry_run, "Say what it would take, and stop");
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;

  return on_ranks(arguments.common(), [&](Ranks* ranks) {
    TrainConfig config = read_train_config(file);
    if (!output.empty()) config.output = output;
    if (config.output.empty()) fail_try(ErrorKind::usage, "give -o FOLDER", "{}: no output", file);
    config.options.threads = arguments.common().threads;
    config.options.ranks = ranks;
    if (arguments.app().count("--seed") > 0) config.options.seed = arguments.common().seed;
    const Json json = train_as_configured(config, dry_run);
    if (arguments.common().json) print_json(json);
    return 0;
  });
}

}  // namespace limbeck::cli

// The file of `limbeck train`: what to train, on which texts, how. Sees no libtorch.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/fields.h"
#include "limbeck/distill/train_options.h"
#include "limbeck/text/bpe_trainer.h"

namespace limbeck::distill {

// One entry of `data`: text (.txt: documents), or rows {"text"}, {"prompt", "completion"} or
// {"messages", "tools"} (.jsonl, .csv, ..).
struct DataSource {
  std::filesystem::path file;
  double weight = 1;          // passes an epoch: 2.5 takes each row twice and a random half again
  bool answers_only = true;   // rows with a prompt: train on the answer alone
  bool last_turn = false;     // conversations: the last assistant message is the answer, not each
  std::string separator;      // between documents of a .txt file; empty: the file is one document
  std::int64_t max_rows = 0;  // 0: all
};

struct TrainConfig {
  std::filesystem::path origin;  // the file itself: paths in it are relative to its folder
  std::filesystem::path output;  // may be empty: given on the command line
  std::optional<BpeTrainOptions> train_tokenizer;  // on all of `data`
  std::filesystem::path tokenizer;                 // or a model's; empty with `start`: its own
  Start start;
  std::vector<DataSource> data, dev;
  std::string
      prompt;  // how the rows ask (full, instruction, bare): kept in the manifest; may be empty
  double dev_share = 0;  // of the rows of `data`, where `dev` is empty
  TrainOptions options;
};

// tokenizer: PATH | {train: {vocab_size, min_frequency, split_digits, special_tokens,
// chat_template}} start: MODEL | model: {family, hidden, layers, heads, kv_heads, head_dim, ffn,
// context, rope_theta,
//   norm_epsilon, tied}
// data: [FILE | {file, weight, train_on: answers|all, turns: all|last, separator, max_rows}],
// dev: the same | {share} train: {epochs, learning_rate, ...} (the fields of TrainOptions); output,
// seed, prompt Throws Error{usage} naming file and field.
TrainConfig read_train_config(const std::filesystem::path& path);

}  // namespace limbeck::distill

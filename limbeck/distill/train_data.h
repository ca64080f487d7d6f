// From files to training rows: documents cut to the context, prompts with their answers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "limbeck/distill/train_config.h"

namespace limbeck::distill {

struct TrainData {
  std::vector<TrainRow> rows;
  std::vector<std::string> notes;  // one line for each source: rows, tokens, what was left out
};

// `prompt` followed by the answer's text and the token that ends answers; only these are trained on
// where `answers_only`.
TrainRow answer_row(const Tokenizer& tokenizer, std::vector<TokenId> prompt,
                    std::string_view answer, bool answers_only);

// Rows of at most `context` tokens. Documents end with EOS and are cut into consecutive rows of
// `context`; a prompt with its answer that is longer is left out, and counted in the notes.
// Throws Error{usage} on a missing file or a row of no known form, naming file and line.
TrainData read_train_data(const std::vector<DataSource>& sources, const Tokenizer& tokenizer,
                          std::int64_t context, std::uint64_t seed);

// The tokenizer of a configuration: trained on its data, loaded, or the start model's.
Tokenizer make_tokenizer(const TrainConfig& config);

// Everything `train` needs, and what to tell the user first.
struct PreparedTraining {
  Tokenizer tokenizer;
  std::vector<TrainRow> rows, dev;
  std::vector<std::string> notes;
  Architecture architecture;  // vocab_size set
};
PreparedTraining prepare_training(const TrainConfig& config);

struct TrainingEstimate {
  std::int64_t parameters = 0, steps = 0, tokens = 0;  // tokens over all epochs
  double flops = 0;                                    // forward and backward
};
TrainingEstimate estimate_training(const PreparedTraining& prepared, const TrainOptions& options);

}  // namespace limbeck::distill

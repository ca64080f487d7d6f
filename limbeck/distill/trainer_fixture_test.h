// What the tests of whole training runs share: a model of a few thousand weights and rows of a
// rule.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/random.h"
#include "limbeck/base/sha256.h"
#include "limbeck/distill/trainer.h"
#include "limbeck/text/bpe_trainer.h"

namespace limbeck::distill {

namespace fs = std::filesystem;

inline Tokenizer tiny_tokenizer(std::string_view text = "the cat sat on the mat. the dog ran.") {
  BpeTrainOptions options;
  options.vocab_size = 280;
  const auto trained =
      train_bpe([&](const std::function<void(std::string_view)>& f) { f(text); }, options);
  return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json, "test");
}

inline Architecture shape(std::int64_t hidden = 16) {
  Architecture a;
  a.context_length = 32;
  a.hidden = hidden;
  a.layers = 2;
  a.heads = 2;
  a.kv_heads = 1;
  a.head_dim = hidden / 2;
  a.ffn = 24;
  a.rope_dim = a.head_dim;
  a.attention_scale = 1 / std::sqrt(static_cast<double>(a.head_dim));
  a.tied_embeddings = true;
  return a;
}

// Rows of a simple rule: each token is the one before plus 3, of different lengths.
inline std::vector<TrainRow> rule_rows(int n) {
  std::vector<TrainRow> rows;
  Random random(3);
  for (int i = 0; i < n; ++i) {
    TrainRow row;
    const auto length = 4 + random.below(20);
    auto token = static_cast<TokenId>(random.below(60));
    for (std::uint64_t t = 0; t < length; ++t, token = (token + 3) % 60)
      row.tokens.push_back(token);
    row.first_target = 1 + static_cast<std::int64_t>(random.below(2));
    rows.push_back(std::move(row));
  }
  return rows;
}

class Trainer : public testing::Test {
 protected:
  Trainer() {
    if (!std::getenv("LIMBECK_TEST_VERBOSE")) set_verbosity(Verbosity::quiet);
    folder = fs::temp_directory_path() / ("limbeck-trainer-" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::create_directories(folder);
    options.threads = 1;  // the matrices are tiny
    options.batch_tokens = 200;
    options.micro_tokens = 90;
    options.learning_rate = 1e-2;
    options.epochs = 3;
    options.save = "f32";  // what is written is what was evaluated, to the last bit
  }
  ~Trainer() override { fs::remove_all(folder); }

  Start fresh(std::int64_t hidden = 16) const { return {{}, shape(hidden)}; }
  std::string weights(const std::string& name) const {
    return sha256_file(folder / name / "model.safetensors");
  }

  fs::path folder;
  Tokenizer tokenizer = tiny_tokenizer();
  std::vector<TrainRow> rows = rule_rows(150);
  TrainOptions options;
};

}  // namespace limbeck::distill

// Training of small language models: from scratch, fine-tuning, distillation. This header sees no
// libtorch; without it (LIMBECK_TRAIN=OFF) the functions throw Error{unsupported}.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck::distill {

// The teacher's distribution at one target position: top-k log-probabilities at temperature 1 (the
// rest is one tail bucket), or RS-KD draws with counts. Ids are of the student's vocabulary.
struct SoftTarget {
  enum class Kind : std::uint8_t { none, top_k, counts } kind = Kind::none;
  std::vector<TokenId> ids;
  std::vector<float> values;
};

// One training text: positions [first_target, tokens.size()) are predicted (each from the ones
// before it).
struct TrainRow {
  std::vector<TokenId> tokens;
  std::int64_t first_target = 1;  // >= 1
  std::vector<SoftTarget> soft;   // one for each predicted position, or empty: hard labels only
  // What a local teacher is asked instead of tokens [0, first_target); empty: the same.
  std::vector<TokenId> teacher_prompt = {};
};

class Ranks;  // data_parallel.h

// uld: sorted probabilities on aligned spans, for a teacher with another vocabulary
// (train_across_tokenizers).
enum class Loss : std::uint8_t { forward_kl, reverse_kl, jsd, skew_kl, skew_reverse_kl, uld };

// Low-rank adapters on frozen weights, merged when the model is written.
struct LoraOptions {
  std::int64_t r = 0;                // rank; 0: all weights are trained
  double alpha = 0;                  // the product is scaled by alpha / r; 0: alpha = r
  std::vector<std::string> targets;  // q, k, v, o, gate, up, down; empty: all of them
};

// The last steps on the student's own answers. Needs a local teacher of the same vocabulary.
struct OnPolicyOptions {
  double share = 0;              // of the steps; 0: none
  Loss loss = Loss::reverse_kl;  // on the student's answers, to the teacher's whole distribution
  double lambda = 0.5;           // of the rows: how many train on the student's answer
  bool pair = false;  // those train on the teacher's answer as well, in the same step (DistiLLM-2)
  std::optional<Loss> teacher_loss;  // on the teacher's answers of these steps; absent: as before
  double replay = 0.5;               // chance that an answer of an earlier round serves again
  std::int64_t refresh = 16;         // steps a round; 0: one round of answers for all
  std::int64_t max_tokens = 64;      // of an answer
  double temperature = 1;            // of its sampling
  double learning_rate_ratio = 0.5;  // the schedule is multiplied by it
};

struct TrainOptions {
  // what
  LoraOptions lora;
  OnPolicyOptions on_policy;
  Loss loss = Loss::forward_kl;  // of the soft part
  double jsd_beta = 0.5, skew_alpha = 0.1;
  double soft_weight =
      0.5;  // in [0, 1]; the rest is cross-entropy. Rows without soft targets: cross-entropy alone
  double temperature = 1.0;  // > 0
  // Inside the model; both need a local teacher of the same vocabulary. Layers are {student's,
  // teacher's}, counted from 1.
  struct Hidden {
    double weight = 0;    // of the term; 0: none
    bool cosine = false;  // 1 - cosine instead of the mean squared difference
    std::vector<std::pair<std::int64_t, std::int64_t>> layers;  // empty: all, evenly spread
  } hidden;
  struct Attention {
    double weight = 0;
    std::string relations = "v";  // of q, k, v: which of them are related to themselves
    std::int64_t heads = 0;       // relation heads; 0: the most that suit both
    std::vector<std::pair<std::int64_t, std::int64_t>> layers;  // empty: the last of both
  } attention;
  // The last steps on the weights as a GGUF file of this type holds them: rounded by `limbeck
  // quantize`'s plain rounding before each step, gradients straight through to the weights
  // themselves, which are written in float32.
  struct QuantizeAware {
    std::string type;        // a type or mix of `limbeck quantize --type`; empty: none of this
    double share = 0.5;      // of the steps, in (0, 1]
    std::int64_t every = 1;  // steps from one rounding to the next
  } quantize;
  // how long
  double epochs = 3;           // passes over the rows
  std::int64_t max_steps = 0;  // 0: by epochs
  std::int64_t batch_tokens =
      4096;  // tokens (padding not counted) an optimiser step, over micro-batches
  std::int64_t micro_tokens = 4096;  // at most that many tokens a forward pass
  // optimiser: AdamW
  double learning_rate = 1e-3, final_learning_rate_ratio = 0.1, weight_decay = 0.01;
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, clip_norm = 1.0;
  double warmup = 0.05;             // share of the steps
  std::string schedule = "cosine";  // cosine | linear | constant
  // Exponential moving average of the weights with this decay (shorter at the start); it is what is
  // evaluated and written. 0: the weights themselves.
  double ema = 0;
  // Matrix products in bfloat16 where the device multiplies it fast (GPUs, CPUs with AVX-512), else
  // in fp32; weights and optimiser in fp32.
  bool bf16 = true;
  bool recompute = false;       // activations inside layers a second time instead of keeping them
  std::string device = "auto";  // auto | cpu | cuda
  int threads = 0;
  std::uint64_t seed = 1;
  // checkpoints
  std::filesystem::path checkpoint_folder;  // empty: none
  double checkpoint_seconds = 60;
  std::filesystem::path metrics_file;  // metrics.jsonl; empty: none
  bool tensorboard = false;            // event files beside it, in "metrics.tensorboard"
  // selection
  std::int64_t evaluations = 4;  // dev evaluations spread over the run (0: only the end)
  int patience = 0;              // evaluations without gain before stopping; 0: never
  // Held-out rows: where no task metric is given, the best model is the one that predicts them
  // best.
  std::span<const TrainRow> dev_rows;
  // The processes that train each step together; this one is rank 0 of them, or is following it.
  // They change which process computes which rows, not which rows a step has. Null: alone.
  Ranks* ranks = nullptr;
  // result
  std::string save = "bf16";  // f32 | bf16 | f16: type of the weights written
};

// The task metric of the model as it is now (a Hugging Face folder written for the purpose); higher
// is better.
using DevMetric = std::function<double(const std::filesystem::path& model_folder)>;

// Answers of the model as it is now (as for DevMetric) to prompts, in its tokens, with the token
// that ends an answer where the model ended it. The same for the same model, prompts and seed.
struct RolloutRequest {
  std::int64_t max_tokens = 64;
  double temperature = 1;
  std::uint64_t seed = 0;
};
using Rollout = std::function<std::vector<std::vector<TokenId>>(
    const std::filesystem::path& model_folder, std::span<const std::vector<TokenId>> prompts,
    const RolloutRequest& request)>;

struct TrainResult {
  std::int64_t steps = 0, tokens = 0, target_tokens = 0;
  double seconds = 0, final_loss = 0;
  double best_metric = 0;  // of `dev`, or minus the mean loss on dev_rows (nats a token)
  std::int64_t best_step = 0;
  std::uint64_t peak_bytes = 0;
  bool resumed = false;
};

// What training starts from: an existing model, or a fresh shape with random weights.
struct Start {
  std::filesystem::path model;  // a folder or GGUF file; empty: fresh
  Architecture shape;           // fresh: everything but vocab_size is read
};

// Trains and writes the best model (by `dev`; the last one if it is empty) to `output`, a Hugging
// Face folder. Interrupted (SIGINT, SIGTERM): writes a checkpoint, throws Error{interrupted}.
// Resumes by itself when `checkpoint_folder` holds a valid checkpoint of the same options and data;
// the result is then bit-identical to an uninterrupted run. Throws Error{usage} on bad options or
// rows (a token outside the vocabulary, over-long rows); Error{numeric} on a loss that is not
// finite, naming step and rows: the last checkpoint stays, and its model is written to
// `checkpoint_folder`/last-good; Error{io} on a full disk: the checkpoint before stays.
TrainResult train(const Start& start, const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                  const TrainOptions& options, const DevMetric& dev,
                  const std::filesystem::path& output, const Json& manifest);

// Mean cross-entropy (nats) over the target tokens of `rows`, in fp32. Throws as train.
double mean_loss(const std::filesystem::path& model, std::span<const TrainRow> rows,
                 int threads = 0);

// Dense soft labels of a local teacher are computed on the fly by the torch decoder: as `train`,
// with the whole distribution of `teacher` (same vocabulary) at each target position.
TrainResult train_from_teacher(const Start& start, const std::filesystem::path& teacher,
                               const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                               const TrainOptions& options, const DevMetric& dev,
                               const std::filesystem::path& output, const Json& manifest);

// As train (rows with soft labels) or train_from_teacher (rows without), ending in the on-policy
// phase of `options`.
TrainResult train_on_policy(const Start& start, const std::filesystem::path& teacher,
                            const Rollout& rollout, const Tokenizer& tokenizer,
                            std::span<const TrainRow> rows, const TrainOptions& options,
                            const DevMetric& dev, const std::filesystem::path& output,
                            const Json& manifest);

// A local teacher with another vocabulary, by loss uld: `teacher_rows` are the texts of `rows` in
// its tokens (the same answers behind its own form of the prompt).
TrainResult train_across_tokenizers(const Start& start, const std::filesystem::path& teacher,
                                    std::span<const TrainRow> teacher_rows,
                                    const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                                    const TrainOptions& options, const DevMetric& dev,
                                    const std::filesystem::path& output, const Json& manifest);

// Multiplications and additions a second of training's matrix products here: what training time is
// estimated from. Takes about a quarter of a second.
double matmul_flops(int threads);
// Tokens a second that training a model of this shape reaches here, from a few steps on random
// rows.
double training_speed(const Architecture& shape, const TrainOptions& options);

bool can_train() noexcept;  // is libtorch built in?

// Logits [tokens, vocab] of the torch decoder in fp32, row-major: for parity tests against the
// runtime.
std::vector<float> torch_logits(const std::filesystem::path& model,
                                std::span<const TokenId> tokens);

}  // namespace limbeck::distill

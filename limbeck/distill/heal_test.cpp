// Healing a small model: nearer to the original, the same codes, and exactly what was trained.
#include "limbeck/distill/heal.h"

#include <cstring>

#include "limbeck/base/interrupt.h"
#include "limbeck/codec/codec.h"
#include "limbeck/codec/scale_fields.h"
#include "limbeck/distill/train_state.h"
#include "limbeck/distill/trainer_fixture_test.h"
#include "limbeck/model/mixes.h"

namespace limbeck::distill {
namespace {

// A trained model (else nothing it says matters), rounded, and sequences of its rule.
class Heal : public Trainer {
 protected:
  Heal() {
    Architecture a = shape(32);
    a.ffn = 64;
    options.epochs = 4;
    train({{}, a}, tokenizer, rows, options, {}, folder / "model", nullptr);
    healing.steps = 30;
    healing.batch_tokens = 400;
    healing.micro_tokens = 300;
    healing.threads = 1;
    for (const TrainRow& row : rows) {
      (text.size() < 120 ? text : held_out).push_back(row.tokens);
    }
  }

  Checkpoint rounded(const char* type) {
    Checkpoint checkpoint = Checkpoint::open(folder / "model");
    for (const TensorSpec& spec : tensor_specs(checkpoint.architecture())) {
      if (spec.shape.size() < 2) continue;
      const TensorType to =
          type_in_mix(find_mix(type), checkpoint.architecture(), spec.name, spec.shape[1], false);
      const auto floats = checkpoint.floats(spec.name);
      const std::size_t size = row_bytes(to, spec.shape[1]);
      const auto columns = static_cast<std::size_t>(spec.shape[1]);
      auto bytes = std::make_shared<std::vector<std::byte>>(floats.size() / columns * size);
      for (std::size_t r = 0; r < floats.size() / columns; ++r) {
        encode_row(to, std::span(floats).subspan(r * columns, columns),
                   std::span(*bytes).subspan(r * size, size));
      }
      checkpoint.replace(spec.name, {to, spec.shape[0], spec.shape[1], *bytes, bytes});
    }
    return checkpoint;
  }
  HealedModel heal(const Checkpoint& from) {
    return heal_scales(folder / "model", from, {text, held_out}, healing);
  }
  // Mean divergence of a file from the model on the held-out sequences, from whole logits.
  double divergence(const fs::path& file) {
    double kl = 0;
    std::int64_t n = 0;
    for (const auto& row : held_out) {
      const auto vocab = Checkpoint::open(file).architecture().vocab_size;
      const auto of = [&](const fs::path& path) {
        auto logits = torch_logits(path, row);
        const auto last = static_cast<std::int64_t>(row.size()) - 1;
        return std::pair(std::move(logits), last);
      };
      const auto [p, last] = of(folder / "model");
      const auto [q, same] = of(file);
      for (std::int64_t t = 0; t < last; ++t, ++n) {
        double p_most = -1e30, q_most = -1e30, p_sum = 0, q_sum = 0;
        const auto at = [&](std::int64_t i) { return static_cast<std::size_t>(t * vocab + i); };
        for (std::int64_t i = 0; i < vocab; ++i) {
          p_most = std::max<double>(p_most, p[at(i)]);
          q_most = std::max<double>(q_most, q[at(i)]);
        }
        for (std::int64_t i = 0; i < vocab; ++i) {
          p_sum += std::exp(p[at(i)] - p_most);
          q_sum += std::exp(q[at(i)] - q_most);
        }
        for (std::int64_t i = 0; i < vocab; ++i) {
          const double log_p = p[at(i)] - p_most - std::log(p_sum);
          kl += std::exp(log_p) * (log_p - (q[at(i)] - q_most - std::log(q_sum)));
        }
      }
    }
    return kl / static_cast<double>(n);
  }
  fs::path write(const Checkpoint& from, const HealedModel& healed) {
    auto tensors = tensors_of(from);
    for (NamedTensor& tensor : tensors) {
      const auto found = healed.tensors.find(tensor.name);
      if (found == healed.tensors.end()) continue;
      tensor.type = tensor.shape.size() == 1 ? TensorType::f32 : from.at(tensor.name).type;
      tensor.make_bytes = [bytes = found->second] { return bytes; };
    }
    write_gguf_model(folder / "healed.gguf", from.architecture(), &tokenizer, tensors);
    return folder / "healed.gguf";
  }

  HealOptions healing;
  std::vector<std::vector<TokenId>> text, held_out;
};

TEST_F(Heal, ComesNearerAndIsWhatTheFileHolds) {
  const Checkpoint from = rounded("q4_0");
  const HealedModel healed = heal(from);
  EXPECT_EQ(healed.steps, 30);
  EXPECT_GT(healed.best_step, 0);
  EXPECT_LT(healed.kl_after, 0.8 * healed.kl_before);
  const fs::path file = write(from, healed);
  // Sums of fp32 in the order of this processor.
  EXPECT_NEAR(divergence(file), healed.kl_after, 1e-3 * healed.kl_after + 1e-8);

  std::size_t changed = 0;
  for (const auto& [name, bytes] : healed.tensors) {
    const Weight before = from.at(name);
    const Weight after = Checkpoint::open(file).at(name);
    if (scale_fields(before.type).empty()) continue;
    ASSERT_EQ(after.type, before.type);
    const std::size_t size = info(before.type).block_bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const bool scale = i % size - scale_fields(before.type)[0] < 2;
      changed += bytes[i] != before.bytes[i];
      ASSERT_TRUE(scale || bytes[i] == before.bytes[i]) << name;
    }
  }
  EXPECT_GT(changed, 100u);
}

TEST_F(Heal, GivesTheSameBytesAgain) {
  const Checkpoint from = rounded("q5_1");
  const HealedModel one = heal(from), two = heal(from);
  EXPECT_EQ(one.tensors, two.tensors);
  healing.seed = 9;
  EXPECT_NE(heal(from).tensors, one.tensors);
}

TEST_F(Heal, GoesOnWhereItWasKilled) {
  const Checkpoint from = rounded("q4_0");
  const HealedModel whole = heal(from);
  healing.checkpoints = folder / "checkpoints";
  EXPECT_EQ(heal(from).tensors, whole.tensors);
  fs::remove_all(newest_checkpoint(healing.checkpoints));  // as if killed before the last one
  const HealedModel again = heal(from);
  EXPECT_EQ(again.resumed, 27);
  EXPECT_EQ(again.tensors, whole.tensors);
  EXPECT_EQ(again.tokens, whole.tokens);
  EXPECT_EQ(again.best_step, whole.best_step);
  healing.seed = 9;
  EXPECT_EQ(heal(from).resumed, 0);  // another healing
}

TEST_F(Heal, KeepsWhatItWasGivenWhereNothingGetsBetter) {
  const Checkpoint from = rounded("q8_0");
  healing.learning_rate = 5;  // every scale to half or to half as much again
  healing.steps = 4;
  const HealedModel healed = heal(from);
  EXPECT_EQ(healed.best_step, 0);
  EXPECT_EQ(healed.kl_after, healed.kl_before);
  for (const auto& [name, bytes] : healed.tensors) {
    const Weight before = from.at(name);
    if (scale_fields(before.type).empty()) continue;
    EXPECT_TRUE(std::ranges::equal(bytes, before.bytes)) << name;
  }
}

TEST_F(Heal, RefusesWhatHasNoScalesOrText) {
  const auto refusal = [&](const Checkpoint& from) {
    try {
      heal(from);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return std::string(error.what());
    }
    return std::string("healed");
  };
  EXPECT_NE(refusal(rounded("f16")).find("has scales"), std::string::npos);
  held_out = {{1}};
  EXPECT_NE(refusal(rounded("q4_0")).find("held-out"), std::string::npos);
}

}  // namespace
}  // namespace limbeck::distill

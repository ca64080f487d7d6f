#include "limbeck/pipeline/small_model_test.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/text/bpe_trainer.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::pipeline {
namespace {

std::string sentence(int i) { return fmt::format("item {} of the list", i); }

Tokenizer small_tokenizer() {
  BpeTrainOptions options;
  options.vocab_size = 320;
  options.chat_template = kDefaultChatTemplate;
  const auto texts = [](const std::function<void(std::string_view)>& take) {
    for (int i = 0; i < 200; ++i) take(sentence(i) + " is red green blue");
  };
  const TrainedTokenizer trained = train_bpe(texts, options);
  return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json, "test");
}

}  // namespace

void write_colours(const std::filesystem::path& folder, int test) {
  constexpr const char* kColours[] = {"red", "green", "blue"};
  std::string rows[2];
  for (int i = 0; i < 60 + test; ++i) {
    rows[i < 60 ? 0 : 1] += fmt::format("{{\"input\": \"{} is {}\", \"output\": \"{}\"}}\n",
                                        sentence(i), kColours[i % 3], kColours[i % 3]);
  }
  write_file(folder / "task.yaml",
             "name: colours\nkind: classification\ninstruction: Name the colour.\n"
             "labels: [red, green, blue]\n");
  write_file(folder / "train.jsonl", rows[0]);
  write_file(folder / "test.jsonl", rows[1]);
}

Architecture write_small_model(const std::filesystem::path& folder, std::uint64_t seed,
                               std::int64_t hidden) {
  const Tokenizer tokenizer = small_tokenizer();
  Architecture a;
  a.vocab_size = tokenizer.vocab_size();
  a.context_length = 64;
  a.hidden = hidden;
  a.layers = 2;
  a.heads = 2, a.kv_heads = 1;
  a.head_dim = hidden / 2;
  a.ffn = 2 * hidden;
  a.rope_dim = a.head_dim;
  a.attention_scale = 1 / std::sqrt(static_cast<double>(a.head_dim));
  a.tied_embeddings = true;
  std::vector<NamedTensor> tensors;
  std::uint64_t stream = 0;
  for (const TensorSpec& spec : tensor_specs(a)) {
    std::size_t count = 1;
    for (const auto n : spec.shape) count *= static_cast<std::size_t>(n);
    const bool norm = spec.shape.size() == 1;
    tensors.push_back({spec.name, TensorType::f16, spec.shape, [count, norm, seed, own = ++stream] {
                         Random random(seed, own);
                         std::vector<float> values(count);
                         for (float& x : values)
                           x = static_cast<float>(0.2 * random.normal() + (norm ? 1 : 0));
                         std::vector<std::byte> bytes(2 * count);
                         encode_row(TensorType::f16, values, bytes);
                         return bytes;
                       }});
  }
  WriteOptions options;
  options.manifest = {{"prompt", "bare"}};
  write_hf_model(folder, a, &tokenizer, tensors, options);
  return a;
}

}  // namespace limbeck::pipeline

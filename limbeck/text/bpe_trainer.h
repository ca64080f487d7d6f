// Trains a byte-level BPE tokenizer: pairs merged by frequency (Sennrich et al. 2016, 1508.07909),
// words by the GPT-2 / Llama-3 style split pattern.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace limbeck {

struct BpeTrainOptions {
  int vocab_size = 8192;  // all tokens: specials + 256 bytes + merges; >= 257 + specials
  std::vector<std::string> special_tokens = {"<|endoftext|>", "<|im_start|>",
                                             "<|im_end|>"};  // ids from 0
  std::string bos, eos = "<|endoftext|>",
                   pad = "<|endoftext|>";  // eos/pad must be special tokens; bos may be empty
  std::string chat_template;               // stored in tokenizer_config.json
  bool split_digits = true;                // each digit a word of its own
  int min_frequency = 2;
};

struct TrainedTokenizer {
  std::string tokenizer_json, tokenizer_config_json;
};

// `texts` calls its argument once for each text. Deterministic: ties by the lower pair of ids.
// Fewer merges than asked come out when the texts have no more.
// Throws Error{usage} on bad options.
TrainedTokenizer train_bpe(
    const std::function<void(const std::function<void(std::string_view)>&)>& texts,
    const BpeTrainOptions& options);

}  // namespace limbeck

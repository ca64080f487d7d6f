// A text given to a tokenizer of each kind; the first byte picks it.
#include <array>
#include <string>

#include "fuzz/target.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/bpe_trainer.h"
#include "limbeck/text/tokenizer.h"

namespace {

using namespace limbeck;

Tokenizer byte_level() {
  BpeTrainOptions options;
  options.vocab_size = 300;
  const auto trained = train_bpe(
      [](const auto& add) {
        for (int i = 0; i < 4; ++i) add("the cat's 12 mats 你好 are theirs, é\r\n\t the then");
      },
      options);
  return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json, "bytes");
}

// Characters with bytes behind them, as Llama's; a token that takes the blanks around it.
Tokenizer characters() {
  Json vocab = {{"<unk>", 0}, {"<s>", 1}, {"\u2581", 2}, {"a", 3}, {"b", 4}, {"ab", 5}};
  for (int byte = 0; byte < 256; ++byte) vocab[fmt::format("<0x{:02X}>", byte)] = 6 + byte;
  const Json json = {
      {"added_tokens",
       {{{"id", 1}, {"content", "<s>"}, {"special", true}, {"lstrip", true}, {"rstrip", true}}}},
      {"normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
          {{"type", "ByteFallback"}},
          {{"type", "Fuse"}}}}}},
      {"model",
       {{"type", "BPE"},
        {"unk_token", "<unk>"},
        {"byte_fallback", true},
        {"vocab", vocab},
        {"merges", {"a b"}}}}};
  return Tokenizer::from_json(to_text(json), "", "characters");
}

constexpr const char* kUnigram =
    R"({"added_tokens":[{"id":4,"content":"<s>","special":true}],"normalizer":{"type":"Sequence",
    "normalizers":[{"type":"Nmt"},{"type":"NFKC"},{"type":"Lowercase"},{"type":"StripAccents"}]},
    "pre_tokenizer":{"type":"Metaspace","prepend_scheme":"first"},"decoder":{"type":"Metaspace",
    "prepend_scheme":"first"},"model":{"type":"Unigram","unk_id":0,"vocab":[["?",0],["h",-1.5],
    ["\u2581h",-1],["ello",-2.5]]}})";
constexpr const char* kWordPiece =
    R"({"added_tokens":[{"id":3,"content":"[SEP]","special":true}],"normalizer":
    {"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":
    {"type":"WordPiece"},"model":{"type":"WordPiece","unk_token":"?","vocab":{"?":0,"h":1,
    "##e":2}}})";

const Tokenizer& pick(std::uint8_t which) {
  static const std::array<Tokenizer, 4> all = {byte_level(), characters(),
                                               Tokenizer::from_json(kUnigram, "", "unigram"),
                                               Tokenizer::from_json(kWordPiece, "", "words")};
  return all[which % all.size()];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  return fuzz::value_or_error([&] {
    const Tokenizer& tokenizer = pick(data[0]);
    const auto text = fuzz::as_text(data + 1, size - 1);
    const auto ids = tokenizer.encode(text, false);
    for (const TokenId id : ids) {
      fuzz::require(id >= 0 && id < tokenizer.vocab_size(), "ids are in range");
      fuzz::require(tokenizer.kind(id) != TokenKind::control, "no text becomes control");
    }
    const std::string valid = replace_invalid_utf8(text);
    const std::string decoded = tokenizer.decode(ids, false);
    if (data[0] % 4 == 0) fuzz::require(decoded == valid, "bytes come back");
    StreamDecoder stream(tokenizer, false);
    std::string streamed;
    for (const TokenId id : ids) streamed += stream.add(id);
    streamed += stream.finish();
    if (data[0] % 4 < 2) fuzz::require(streamed == decoded, "a stream says the same");
    const std::array whole = {PromptSegment{valid, true}};
    fuzz::require(tokenizer.encode_segments(whole, true) == tokenizer.encode_trusted(valid),
                  "a trusted segment is a trusted text");
  });
}

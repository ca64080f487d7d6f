// The first line is a tokenizer.json, the rest a text for it.
#include "fuzz/target.h"
#include "limbeck/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const std::string_view all = fuzz::as_text(data, size);
    const std::size_t end = std::min(all.find('\n'), all.size());
    const std::string_view text = all.substr(std::min(end + 1, all.size()));
    const Tokenizer tokenizer = Tokenizer::from_json(all.substr(0, end), "", "fuzz");
    for (const TokenId id : tokenizer.encode(text)) {
      fuzz::require(id >= 0 && id < tokenizer.vocab_size(), "ids are in range");
    }
    const auto ids = tokenizer.encode_trusted(text);
    StreamDecoder stream(tokenizer);
    for (const TokenId id : ids) stream.add(id);
    stream.finish();
    tokenizer.decode(ids, false);
    fuzz::require(tokenizer.to_tokenizer_json() == all.substr(0, end), "the original is kept");
  });
}

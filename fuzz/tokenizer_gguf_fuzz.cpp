// The vocabulary of a GGUF file.
#include "fuzz/target.h"
#include "limbeck/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const auto file = GgufReader::parse(fuzz::as_bytes(data, size), "fuzz");
    const Tokenizer tokenizer = Tokenizer::from_gguf(file);
    const auto ids = tokenizer.encode("Hello <s> world 123 é你   ab");
    for (const TokenId id : ids)
      fuzz::require(id >= 0 && id < tokenizer.vocab_size(), "ids are in range");
    tokenizer.decode(ids, false);
    tokenizer.to_tokenizer_json();
  });
}

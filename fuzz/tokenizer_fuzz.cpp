// The first line is a tokenizer.json, the rest a text for it; a second line that is a JSON object
// is its tokenizer_config.json.
#include "fuzz/target.h"
#include "limbeck/text/tokenizer.h"

namespace {

using namespace limbeck;

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::value_or_error([&] {
    std::string_view text = fuzz::as_text(data, size);
    const std::string_view json = take_line(text);
    const std::string_view config = text.starts_with('{') ? take_line(text) : std::string_view();
    const Tokenizer tokenizer = Tokenizer::from_json(json, config, "fuzz");
    fuzz::require(tokenizer.to_tokenizer_json() == json, "the original is kept");
    for (int id = 0; id < tokenizer.vocab_size(); ++id) {
      const TokenKind kind = tokenizer.kind(id);
      const bool named = kind != TokenKind::unused && !tokenizer.token_piece(id).empty();
      fuzz::require(!named || tokenizer.find(tokenizer.token_piece(id)), "pieces are found");
    }
    fuzz::value_or_error([&] { tokenizer.to_gguf(); });
    for (const TokenId id : tokenizer.encode(text)) {
      fuzz::require(id >= 0 && id < tokenizer.vocab_size(), "ids are in range");
    }
    const auto ids = tokenizer.encode_trusted(text);
    StreamDecoder stream(tokenizer);
    for (const TokenId id : ids) stream.add(id);
    stream.finish();
    tokenizer.decode(ids, false);
  });
}

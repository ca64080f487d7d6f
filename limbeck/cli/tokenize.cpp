// limbeck tokenize: text to token ids, and back.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/commands.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck::cli {
namespace {

constexpr std::size_t kMaxInput = 256u << 20;

struct TokenizeOptions {
  std::string model, text;
  bool has_text = false;
  bool decode = false;     // ids in, text out
  bool lines = false;      // one JSON value a line, in and out
  bool untrusted = false;  // special tokens spelled in the text stay text
  bool add_special = true;
  bool skip_special = false;  // leave special tokens out of decoded text
};

std::string standard_input() {
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, stdin)) {
    if (text.size() + n > kMaxInput) {
      fail(ErrorKind::usage, "standard input is over {} bytes", kMaxInput);
    }
    text.append(buffer, n);
  }
  return text;
}

std::vector<TokenId> encode(const Tokenizer& tokenizer, const std::string& text,
                            const TokenizeOptions& options) {
  return options.untrusted ? tokenizer.encode(text, options.add_special)
                           : tokenizer.encode_trusted(text, options.add_special);
}

Json encoded(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  Json pieces = Json::array();
  for (const TokenId id : ids) pieces.push_back(tokenizer.token_piece(id));
  return {{"ids", ids}, {"pieces", std::move(pieces)}};
}

Json decoded(const Tokenizer& tokenizer, const std::vector<TokenId>& ids,
             const TokenizeOptions& options) {
  return {{"text", tokenizer.decode(ids, options.skip_special)}};
}

// "1 2 3", "1,2,3" or "[1, 2, 3]"
std::vector<TokenId> parse_ids(std::string text) {
  for (char& c : text) {
    if (c == ',' || c == '[' || c == ']' || c == '\n' || c == '\t' || c == '\r') c = ' ';
  }
  std::vector<TokenId> ids;
  const char *at = text.data(), *end = at + text.size();
  while (at != end) {
    if (*at == ' ') {
      ++at;
      continue;
    }
    TokenId id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next != end && *next != ' ')) {
      fail(ErrorKind::usage, "'{}' is not a token id", std::string(at, std::find(at, end, ' ')));
    }
    ids.push_back(id);
    at = next;
  }
  return ids;
}

// Each line of standard input is a JSON string (or a list of ids with --decode); each line of
// output the object that --json would print.
void run_lines(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  std::string line;
  for (std::size_t n = 1; std::getline(std::cin, line); ++n) {
    const Json value = parse_json(line, fmt::format("standard input, line {}", n));
    if (options.decode ? !value.is_array() : !value.is_string()) {
      fail(ErrorKind::usage, "standard input, line {}: a JSON {} is needed", n,
           options.decode ? "list of ids" : "string");
    }
    if (options.decode) {
      std::vector<TokenId> ids;
      for (const Json& id : value) {
        if (!id.is_number_integer()) fail(ErrorKind::usage, "line {}: {} is no id", n, to_text(id));
        ids.push_back(id.get<TokenId>());
      }
      print_json(decoded(tokenizer, ids, options));
    } else {
      print_json(encoded(tokenizer, encode(tokenizer, value.get<std::string>(), options)));
    }
  }
}

void print_pieces(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  for (const TokenId id : ids) {
    fmt::print("{:>8}  {}\n", id, safe_tty(tokenizer.token_piece(id)));
  }
}

}  // namespace

int run_tokenize(int argc, char** argv) {
  TokenizeOptions options;
  Arguments arguments("tokenize", "Turn text into token ids, or ids into text.",
                      "limbeck tokenize model.gguf \"Hello world\"\n"
                      "echo '[1, 15043, 3186]' | limbeck tokenize ./llama --decode");
  CLI::App& app = arguments.app();
  app.add_option("model", options.model, "Hugging Face folder or .gguf file")->required();
  const auto* text =
      app.add_option("text", options.text, "text, or ids with --decode; else from standard input");
  app.add_flag("--decode", options.decode, "ids to text");
  app.add_flag("--lines", options.lines, "one JSON string (or list of ids) a line, in and out");
  app.add_flag("--untrusted", options.untrusted, "special tokens spelled in the text stay text");
  app.add_flag("!--no-special", options.add_special, "add no BOS or EOS");
  app.add_flag("--skip-special", options.skip_special, "leave special tokens out of decoded text");
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;

  const Tokenizer tokenizer = Tokenizer::open(options.model);
  if (options.lines) {
    run_lines(tokenizer, options);
    return 0;
  }
  const std::string input = text->count() > 0 ? options.text : standard_input();
  const bool json = arguments.common().json;
  if (options.decode) {
    const Json result = decoded(tokenizer, parse_ids(input), options);
    if (json) {
      print_json(result);
    } else {
      const std::string out = result.at("text").get<std::string>();
      fmt::print("{}\n", is_terminal(1) ? safe_tty(out, true) : out);
    }
    return 0;
  }
  const auto ids = encode(tokenizer, input, options);
  if (json) {
    print_json(encoded(tokenizer, ids));
  } else {
    print_pieces(tokenizer, ids);
  }
  return 0;
}

}  // namespace limbeck::cli

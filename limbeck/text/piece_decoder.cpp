#include "limbeck/text/piece_decoder.h"

#include <algorithm>
#include <array>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/byte_level.h"
#include "limbeck/text/regex.h"
#include "limbeck/text/text_growth.h"

namespace limbeck {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string replace_all(std::string_view text, std::string_view what, std::string_view by) {
  std::string out;
  std::size_t done = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) {
    out.append(text.substr(done, at - done)).append(by);
    done = at + what.size();
  }
  return out.append(text.substr(done));
}

std::string byte_level_bytes(std::string_view piece) {
  auto bytes = byte_level::to_bytes(piece);
  return bytes ? std::move(*bytes) : std::string(piece);
}

// Runs of <0xXX> pieces become their characters, or one U+FFFD a byte if they form none.
void byte_fallback(std::vector<std::string>& pieces) {
  std::vector<std::string> out;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (is_utf8(bytes)) {
      out.push_back(bytes);
    } else {
      out.insert(out.end(), bytes.size(), std::string(kReplacement));
    }
    bytes.clear();
  };
  for (std::string& piece : pieces) {
    if (const auto byte = byte_of_piece(piece)) {
      bytes += static_cast<char>(*byte);
    } else {
      flush();
      out.push_back(std::move(piece));
    }
  }
  flush();
  pieces = std::move(out);
}

void fuse(std::vector<std::string>& pieces) {
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  pieces.assign(1, std::move(all));
}

// What WordPiece decoding tidies, in this order.
std::string clean_up(std::string text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRules = {
      {{" .", "."},
       {" ?", "?"},
       {" !", "!"},
       {" ,", ","},
       {" ' ", "'"},
       {" n't", "n't"},
       {" 'm", "'m"},
       {" do not", " don't"},
       {" 's", "'s"},
       {" 've", "'ve"},
       {" 're", "'re"}}};
  for (const auto& [from, to] : kRules) text = replace_all(text, from, to);
  return text;
}

// Up to `start` times `c` off the front, `stop` times off the end.
void strip(std::string& piece, const std::string& c, std::int64_t start, std::int64_t stop) {
  std::size_t begin = 0, end = piece.size();
  const std::string_view text = piece;
  for (; start > 0 && text.substr(begin).starts_with(c); --start) begin += c.size();
  for (; stop > 0 && end >= begin + c.size() && text.substr(begin, end - begin).ends_with(c);
       --stop) {
    end -= c.size();
  }
  piece = piece.substr(begin, end - begin);
}

}  // namespace

std::optional<std::uint8_t> byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return std::nullopt;
  const int high = hex_digit(piece[3]), low = hex_digit(piece[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<std::uint8_t>(high * 16 + low);
}

class PieceDecoderReader {
 public:
  explicit PieceDecoderReader(PieceDecoder& out) : out_(out) {}

  void add(const Json& json, const std::string& where) {
    Fields fields(json, where, ErrorKind::format);
    const std::string type = fields.required_text("type");
    check_steps(out_.steps_.size(), where);
    for (const Kind& kind : kKinds) {
      if (kind.name == type) return (this->*kind.add)(fields);
    }
    fail(ErrorKind::unsupported, "{}: the decoder '{}' is not supported", where, type);
  }

 private:
  struct Kind {
    std::string_view name;
    void (PieceDecoderReader::*add)(Fields&);
  };
  static const std::array<Kind, 9> kKinds;

  // A step that changes each piece by itself.
  void add_piece_step(PieceDecoder::PieceStep step) {
    out_.steps_.push_back([step](std::vector<std::string>& pieces) {
      for (std::string& piece : pieces) step(piece);
    });
    out_.piece_steps_.push_back(std::move(step));
  }

  void add_byte_level(Fields&) {
    out_.steps_.push_back([](std::vector<std::string>& pieces) {
      std::string bytes;
      for (const std::string& piece : pieces) bytes += byte_level_bytes(piece);
      pieces.assign(1, replace_invalid_utf8(bytes));
    });
    out_.piece_steps_.push_back([](std::string& piece) { piece = byte_level_bytes(piece); });
  }

  void add_metaspace(Fields& fields) {
    const std::string mark = fields.text("replacement", "\u2581");
    const bool never = fields.text("prepend_scheme", "always") == "never" ||
                       !fields.flag("add_prefix_space", true);
    out_.steps_.push_back([mark, never](std::vector<std::string>& pieces) {
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        pieces[i] = replace_all(pieces[i], mark, i == 0 && !never ? "" : " ");
      }
    });
    out_.piece_steps_.push_back(
        [mark](std::string& piece) { piece = replace_all(piece, mark, " "); });
    out_.strips_first_blank_ |= !never;
  }

  void add_byte_fallback(Fields&) {
    out_.steps_.push_back(byte_fallback);
    out_.piece_steps_.push_back([](std::string& piece) {
      if (const auto byte = byte_of_piece(piece)) piece.assign(1, static_cast<char>(*byte));
    });
  }

  void add_fuse(Fields&) { out_.steps_.push_back(fuse); }

  // Refuses steps that together can make a piece many times as long: each replacement may find
  // what the one before it wrote.
  void grow(const Fields& fields, std::size_t times) {
    constexpr std::size_t kMost = 64;
    growth_ = times > kMost ? times : growth_ * std::max<std::size_t>(times, 1);
    if (growth_ > kMost)
      fail(ErrorKind::format, "{}: makes a piece more than {} times as long", fields.where(),
           kMost);
  }

  void add_replace(Fields& fields) {
    const std::string content = fields.required_text("content");
    const Json* pattern = fields.find("pattern");
    if (!pattern) fail(ErrorKind::format, "{}: pattern is missing", fields.where());
    Fields kind(*pattern, fields.where() + ".pattern", ErrorKind::format);
    if (kind.has("Regex")) {
      const Regex regex = Regex::compile(kind.text("Regex"), kind.where());
      grow(fields, content.size() + 1);  // where it matches nothing, at each byte
      add_piece_step([regex, content](std::string& piece) {
        std::string out;
        std::size_t done = 0;
        regex.for_each_match(piece, [&](std::size_t begin, std::size_t end) {
          out.append(piece, done, begin - done).append(content);
          done = end;
        });
        piece = out.append(piece, done);
      });
      return;
    }
    const std::string what = kind.required_text("String");
    if (what.empty()) return;
    grow(fields, (content.size() + what.size() - 1) / what.size());
    add_piece_step(
        [what, content](std::string& piece) { piece = replace_all(piece, what, content); });
  }

  void add_strip(Fields& fields) {
    const std::string content = fields.text("content", " ");
    const auto start = fields.integer("start", 0, 0, 1 << 20);
    const auto stop = fields.integer("stop", 0, 0, 1 << 20);
    if (content.empty()) fail(ErrorKind::format, "{}: content is empty", fields.where());
    out_.steps_.push_back([content, start, stop](std::vector<std::string>& pieces) {
      for (std::string& piece : pieces) strip(piece, content, start, stop);
    });
    out_.strips_first_blank_ |= content == " " && start > 0;
  }

  void add_word_piece(Fields& fields) {
    const std::string prefix = fields.text("prefix", "##");
    const bool cleanup = fields.flag("cleanup", true);
    out_.steps_.push_back([prefix, cleanup](std::vector<std::string>& pieces) {
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (i > 0) {
          pieces[i] =
              pieces[i].starts_with(prefix) ? pieces[i].substr(prefix.size()) : " " + pieces[i];
        }
        if (cleanup) pieces[i] = clean_up(std::move(pieces[i]));
      }
    });
    out_.piece_steps_.push_back([prefix](std::string& piece) {
      piece = piece.starts_with(prefix) ? piece.substr(prefix.size()) : " " + piece;
    });
    out_.strips_first_blank_ = true;
  }

  void add_bpe(Fields& fields) {
    const std::string suffix = fields.text("suffix", "</w>");
    if (suffix.empty()) fail(ErrorKind::format, "{}: suffix is empty", fields.where());
    out_.steps_.push_back([suffix](std::vector<std::string>& pieces) {
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        pieces[i] = replace_all(pieces[i], suffix, i + 1 == pieces.size() ? "" : " ");
      }
    });
    out_.piece_steps_.push_back(
        [suffix](std::string& piece) { piece = replace_all(piece, suffix, " "); });
  }

  void add_sequence(Fields& fields) {
    const Json* parts = fields.find("decoders");
    if (!parts || !parts->is_array()) {
      fail(ErrorKind::format, "{}: decoders must be a list", fields.where());
    }
    for (std::size_t i = 0; i < parts->size(); ++i) {
      add((*parts)[i], fmt::format("{}[{}]", fields.where(), i));
    }
  }

  PieceDecoder& out_;
  std::size_t growth_ = 1;
};

const std::array<PieceDecoderReader::Kind, 9> PieceDecoderReader::kKinds = {{
    {"BPEDecoder", &PieceDecoderReader::add_bpe},
    {"ByteFallback", &PieceDecoderReader::add_byte_fallback},
    {"ByteLevel", &PieceDecoderReader::add_byte_level},
    {"Fuse", &PieceDecoderReader::add_fuse},
    {"Metaspace", &PieceDecoderReader::add_metaspace},
    {"Replace", &PieceDecoderReader::add_replace},
    {"Sequence", &PieceDecoderReader::add_sequence},
    {"Strip", &PieceDecoderReader::add_strip},
    {"WordPiece", &PieceDecoderReader::add_word_piece},
}};

PieceDecoder::PieceDecoder(const Json& json, std::string_view origin) {
  if (!json.is_null()) {
    PieceDecoderReader(*this).add(json, std::string(origin) + ": decoder");
  } else {
    steps_.push_back([](std::vector<std::string>& pieces) {
      for (std::size_t i = 1; i < pieces.size(); ++i) pieces[i].insert(0, " ");
    });
  }
}

std::string PieceDecoder::decode(std::vector<std::string> pieces) const {
  for (const Step& step : steps_) step(pieces);
  fuse(pieces);
  return std::move(pieces[0]);
}

std::string PieceDecoder::bytes(std::string_view piece) const {
  std::string out(piece);
  for (const PieceStep& step : piece_steps_) step(out);
  return out;
}

}  // namespace limbeck

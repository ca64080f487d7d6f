#include "limbeck/text/pre_tokenizer.h"

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/byte_level.h"
#include "limbeck/text/splitting.h"
#include "limbeck/text/text_growth.h"
#include "limbeck/text/unicode.h"

namespace limbeck {
namespace {

using Step = PreTokenizer::Step;
using Steps = std::vector<Step>;

constexpr std::string_view kGpt2Pattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

// Rewrites each word: `change` appends the new text of a word (and is told if it is the first and
// starts the input).
void rewrite(Words& words,
             const std::function<void(std::string_view, bool, std::string&)>& change) {
  std::string text;
  text.reserve(words.text.size() + words.text.size() / 2);
  words.at_start = words.at_start && !words.ranges.empty() && words.ranges.front().begin == 0;
  for (auto& range : words.ranges) {
    const bool first = words.at_start && range.begin == 0;
    const std::size_t begin = text.size();
    change(words.word(range), first, text);
    range = {begin, text.size()};
  }
  words.text = std::move(text);
}

Step split_by_regex(const std::string& pattern, std::string_view origin, SplitBehavior behavior,
                    bool invert) {
  return [regex = Regex::compile(pattern, origin), behavior, invert](Words& words) {
    split(words, behavior, invert,
          [&](std::string_view word) { return stretches_of(regex, word); });
  };
}

Step split_by_character(bool (*wanted)(std::uint32_t) noexcept, SplitBehavior behavior) {
  return [wanted, behavior](Words& words) {
    split(words, behavior, false,
          [&](std::string_view word) { return stretches_of(wanted, word); });
  };
}

Step split_by_literal(std::string literal, SplitBehavior behavior, bool invert) {
  return [literal = std::move(literal), behavior, invert](Words& words) {
    split(words, behavior, invert,
          [&](std::string_view word) { return stretches_of(literal, word); });
  };
}

void add_byte_level(Fields& fields, Steps& steps) {
  if (fields.flag("add_prefix_space", true)) {
    steps.push_back([](Words& words) {
      rewrite(words, [](std::string_view word, bool, std::string& out) {
        if (!word.starts_with(' ')) out += ' ';
        out += word;
      });
    });
  }
  if (fields.flag("use_regex", true)) {
    steps.push_back(
        split_by_regex(std::string(kGpt2Pattern), fields.where(), SplitBehavior::isolated, false));
  }
  steps.push_back([](Words& words) {
    rewrite(words, [](std::string_view word, bool, std::string& out) {
      for (const char b : word)
        append_utf8(out, byte_level::character(static_cast<std::uint8_t>(b)));
    });
  });
}

// {"String": "..."} or {"Regex": "..."}.
void add_split(Fields& fields, Steps& steps) {
  const auto behavior = split_behavior(fields.required_text("behavior"), fields.where());
  const bool invert = fields.flag("invert", false);
  const Json* pattern = fields.find("pattern");
  if (!pattern) fail(ErrorKind::format, "{}: pattern is missing", fields.where());
  Fields kind(*pattern, fields.where() + ".pattern", ErrorKind::format);
  if (kind.has("Regex")) {
    steps.push_back(split_by_regex(kind.text("Regex"), kind.where(), behavior, invert));
    return;
  }
  std::string literal = kind.required_text("String");
  if (!literal.empty()) {
    steps.push_back(split_by_literal(std::move(literal), behavior, invert));
  } else if (behavior == SplitBehavior::removed && invert) {  // no match anywhere, all dropped
    steps.push_back([](Words& words) { words.ranges.clear(); });
  }
}

void add_digits(Fields& fields, Steps& steps) {
  steps.push_back(split_by_character(unicode::is_numeric, fields.flag("individual_digits", false)
                                                              ? SplitBehavior::isolated
                                                              : SplitBehavior::contiguous));
}

void add_whitespace_split(Fields&, Steps& steps) {
  steps.push_back(split_by_character(unicode::is_whitespace, SplitBehavior::removed));
}

// \w+|[^\w\s]+ : runs of word characters, runs of other visible ones.
void add_whitespace(Fields& fields, Steps& steps) {
  add_whitespace_split(fields, steps);
  steps.push_back(split_by_character(unicode::is_word, SplitBehavior::contiguous));
}

void add_punctuation(Fields& fields, Steps& steps) {
  const auto behavior = split_behavior(fields.text("behavior", "Isolated"), fields.where());
  steps.push_back(split_by_character(unicode::is_punctuation, behavior));
}

void add_bert(Fields& fields, Steps& steps) {
  add_whitespace_split(fields, steps);
  steps.push_back(split_by_character(unicode::is_punctuation, SplitBehavior::isolated));
}

void add_delimiter(Fields& fields, Steps& steps) {
  std::string delimiter = fields.required_text("delimiter");
  if (delimiter.empty()) fail(ErrorKind::format, "{}: delimiter is empty", fields.where());
  steps.push_back(split_by_literal(std::move(delimiter), SplitBehavior::removed, false));
}

void add_fixed_length(Fields& fields, Steps& steps) {
  const auto length = fields.integer("length", 5, 1, 1 << 20);
  steps.push_back([length](Words& words) {
    split(words, SplitBehavior::isolated, false, [length](std::string_view word) {
      Stretches parts;
      std::size_t begin = 0, end = 0;
      while (end < word.size()) {
        for (std::int64_t i = 0; i < length && end < word.size(); ++i) {
          end += code_point_at(word, end).bytes;
        }
        parts.push_back({begin, end, true});
        begin = end;
      }
      return parts;
    });
  });
}

// Blanks become U+2581, one is put before (always, or only at the start of the input), and words
// begin at each.
void add_metaspace(Fields& fields, Steps& steps) {
  std::string mark = fields.text("replacement", "\u2581");
  std::string scheme = fields.text("prepend_scheme", "always");
  if (!fields.flag("add_prefix_space", true)) scheme = "never";
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    fail(ErrorKind::format, "{}: prepend_scheme '{}' is not one of always, first, never",
         fields.where(), scheme);
  }
  if (mark.empty() || code_point_at(mark, 0).bytes != mark.size())
    fail(ErrorKind::format, "{}: replacement '{}' is not one character", fields.where(), mark);
  steps.push_back([mark, scheme](Words& words) {
    rewrite(words, [&](std::string_view word, bool first, std::string& out) {
      const bool marked = word.starts_with(' ') || word.starts_with(mark);
      if (!marked && (scheme == "always" || (scheme == "first" && first))) out += mark;
      for (const char c : word) {
        if (c == ' ') {
          out += mark;
        } else {
          out += c;
        }
      }
    });
  });
  if (fields.flag("split", true)) {
    steps.push_back(split_by_literal(mark, SplitBehavior::merged_with_next, false));
  }
}

void add(const Json& json, const std::string& where, Steps& steps);

void add_sequence(Fields& fields, Steps& steps) {
  const Json* parts = fields.find("pretokenizers");
  if (!parts || !parts->is_array()) {
    fail(ErrorKind::format, "{}: pretokenizers must be a list", fields.where());
  }
  for (std::size_t i = 0; i < parts->size(); ++i) {
    add((*parts)[i], fmt::format("{}[{}]", fields.where(), i), steps);
  }
}

struct Kind {
  std::string_view name;
  void (*add)(Fields&, Steps&);
};
constexpr std::array kKinds = {
    Kind{"BertPreTokenizer", add_bert},
    Kind{"ByteLevel", add_byte_level},
    Kind{"CharDelimiterSplit", add_delimiter},
    Kind{"Digits", add_digits},
    Kind{"FixedLength", add_fixed_length},
    Kind{"Metaspace", add_metaspace},
    Kind{"Punctuation", add_punctuation},
    Kind{"Sequence", add_sequence},
    Kind{"Split", add_split},
    Kind{"Whitespace", add_whitespace},
    Kind{"WhitespaceSplit", add_whitespace_split},
};

void add(const Json& json, const std::string& where, Steps& steps) {
  Fields fields(json, where, ErrorKind::format);
  const std::string type = fields.required_text("type");
  check_steps(steps.size(), where);
  for (const Kind& kind : kKinds) {
    if (kind.name == type) return kind.add(fields, steps);
  }
  fail(ErrorKind::unsupported, "{}: the pre-tokenizer '{}' is not supported", where, type);
}

// The type of the last step, looking into sequences.
std::string last_type(const Json& json) {
  const Json* last = &json;
  while (last->value("type", "") == "Sequence") {
    const Json& parts = last->at("pretokenizers");
    if (parts.empty()) return {};
    last = &parts.back();
  }
  return last->value("type", "");
}

}  // namespace

PreTokenizer::PreTokenizer(const Json& json, std::string_view origin)
    : where_(std::string(origin) + ": pre_tokenizer") {
  if (json.is_null()) return;
  add(json, where_, steps_);
  byte_level_ = last_type(json) == "ByteLevel";
}

void PreTokenizer::cut(Words& words, bool keep_bytes) const {
  const std::size_t n = steps_.size() - (keep_bytes && byte_level_ ? 1 : 0);
  const TextGrowth growth(words.text.size(), where_);
  for (std::size_t i = 0; i < n; ++i) {
    steps_[i](words);  // a few times as long at the most
    growth.check(words.text.size());
  }
}

}  // namespace limbeck

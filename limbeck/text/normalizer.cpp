#include "limbeck/text/normalizer.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/byte_level.h"
#include "limbeck/text/charsmap.h"
#include "limbeck/text/regex.h"
#include "limbeck/text/unicode.h"

namespace limbeck {
namespace {

using Step = Normalizer::Step;
using Steps = std::vector<Step>;

// A step that sees one run at a time.
Step on_each(std::function<std::string(const std::string&, const TextGrowth&)> change) {
  return [change = std::move(change)](std::vector<TextRun>& runs, const TextGrowth& growth) {
    for (TextRun& run : runs) run.text = change(run.text, growth);
  };
}

// A step that maps code points: `map` appends what becomes of one.
Step on_code_points(std::function<void(std::uint32_t, std::string&)> map) {
  return [map = std::move(map)](std::vector<TextRun>& runs, const TextGrowth&) {
    for (TextRun& run : runs) {
      std::string out;
      out.reserve(run.text.size());
      for (std::size_t i = 0; i < run.text.size();) {
        const CodePoint c = code_point_at(run.text, i);
        map(c.value, out);
        run.cut |= i == 0 && out.empty();
        i += c.bytes;
      }
      run.text = std::move(out);
    }
  };
}

template <unicode::Form form>
void add_form(Fields&, Steps& steps) {
  steps.push_back(on_each(
      [](const std::string& text, const TextGrowth&) { return unicode::normalize(text, form); }));
}

void add_lowercase(Fields&, Steps& steps) {
  steps.push_back(
      on_code_points([](std::uint32_t c, std::string& out) { unicode::append_lowercase(out, c); }));
}

void add_prepend(Fields& fields, Steps& steps) {
  steps.push_back(
      [prefix = fields.required_text("prepend")](std::vector<TextRun>& runs, const TextGrowth&) {
        const auto first =
            std::ranges::find_if(runs, [](const TextRun& run) { return !run.text.empty(); });
        if (first != runs.end()) first->text.insert(0, prefix);
      });
}

std::string replace_all(const std::string& text, const std::string& what, const std::string& by,
                        const TextGrowth& growth) {
  std::string out;
  std::size_t done = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) {
    out.append(text, done, at - done).append(by);
    growth.check(out.size());
    done = at + what.size();
  }
  return out.append(text, done);
}

// {"String": "..."} or {"Regex": "..."}; the content is literal.
void add_replace(Fields& fields, Steps& steps) {
  const std::string content = fields.required_text("content");
  const Json* pattern = fields.find("pattern");
  if (!pattern) fail(ErrorKind::format, "{}: pattern is missing", fields.where());
  Fields kind(*pattern, fields.where() + ".pattern", ErrorKind::format);
  if (kind.has("Regex")) {
    const Regex regex = Regex::compile(kind.text("Regex"), kind.where());
    steps.push_back(on_each([regex, content](const std::string& text, const TextGrowth& growth) {
      std::string out;
      std::size_t done = 0;
      regex.for_each_match(text, [&](std::size_t begin, std::size_t end) {
        out.append(text, done, begin - done).append(content);
        growth.check(out.size());
        done = end;
      });
      return out.append(text, done);
    }));
    return;
  }
  const std::string what = kind.required_text("String");
  if (what.empty()) return;
  steps.push_back(on_each([what, content](const std::string& text, const TextGrowth& growth) {
    return replace_all(text, what, content, growth);
  }));
}

std::size_t leading_blanks(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const CodePoint c = code_point_at(text, i);
    if (!unicode::is_whitespace(c.value)) break;
    i += c.bytes;
  }
  return i;
}

std::size_t trailing_blanks(std::string_view text) {
  std::size_t blanks = 0;  // bytes in the run of blanks that ends here
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = code_point_at(text, i);
    blanks = unicode::is_whitespace(c.value) ? blanks + c.bytes : 0;
    i += c.bytes;
  }
  return blanks;
}

void add_strip(Fields& fields, Steps& steps) {
  const bool left = fields.flag("strip_left", true), right = fields.flag("strip_right", true);
  steps.push_back([left, right](std::vector<TextRun>& runs, const TextGrowth&) {
    for (auto run = runs.begin(); left && run != runs.end(); ++run) {
      const std::size_t blanks = leading_blanks(run->text);
      run->text.erase(0, blanks);
      run->cut |= blanks > 0;
      if (!run->text.empty()) break;
    }
    for (auto run = runs.rbegin(); right && run != runs.rend(); ++run) {
      run->text.resize(run->text.size() - trailing_blanks(run->text));
      if (!run->text.empty()) break;
    }
  });
}

void add_strip_accents(Fields&, Steps& steps) {
  steps.push_back(on_code_points([](std::uint32_t c, std::string& out) {
    if (!unicode::is_mark(c)) append_utf8(out, c);
  }));
}

void add_byte_level(Fields&, Steps& steps) {
  steps.push_back(on_each(
      [](const std::string& text, const TextGrowth&) { return byte_level::to_characters(text); }));
}

// Sentencepiece's nmt rules: controls vanish, odd blanks become plain ones.
void add_nmt(Fields&, Steps& steps) {
  steps.push_back(on_code_points([](std::uint32_t c, std::string& out) {
    const bool dropped = (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f ||
                         c == 0x8f || c == 0x9f;
    if (dropped) return;
    const bool blank = c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 ||
                       (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xfeff || c == 0xfffd;
    append_utf8(out, blank ? ' ' : c);
  }));
}

bool is_chinese(std::uint32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
         (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

void add_bert(Fields& fields, Steps& steps) {
  const bool lowercase = fields.flag("lowercase", true);
  if (fields.flag("clean_text", true)) {
    steps.push_back(on_code_points([](std::uint32_t c, std::string& out) {
      const bool kept = c == '\t' || c == '\n' || c == '\r';
      if (c == 0 || c == 0xfffd || (unicode::is_other(c) && !kept)) return;
      append_utf8(out, unicode::is_whitespace(c) ? ' ' : c);
    }));
  }
  if (fields.flag("handle_chinese_chars", true)) {
    steps.push_back(on_code_points([](std::uint32_t c, std::string& out) {
      if (is_chinese(c)) out += ' ';
      append_utf8(out, c);
      if (is_chinese(c)) out += ' ';
    }));
  }
  if (fields.flag("strip_accents", lowercase)) {
    add_form<unicode::Form::nfd>(fields, steps);
    steps.push_back(on_code_points([](std::uint32_t c, std::string& out) {
      if (!unicode::is_nonspacing_mark(c)) append_utf8(out, c);
    }));
  }
  if (lowercase) add_lowercase(fields, steps);
}

void add_precompiled(Fields& fields, Steps& steps) {
  const auto map = std::make_shared<const Charsmap>(
      Charsmap::from_base64(fields.required_text("precompiled_charsmap"), fields.where()));
  steps.push_back(on_each([map](const std::string& text, const TextGrowth& growth) {
    return map->apply(text, growth);
  }));
}

void add(const Json& json, const std::string& where, Steps& steps);

void add_sequence(Fields& fields, Steps& steps) {
  const Json* parts = fields.find("normalizers");
  if (!parts || !parts->is_array()) {
    fail(ErrorKind::format, "{}: normalizers must be a list", fields.where());
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
    Kind{"BertNormalizer", add_bert},
    Kind{"ByteLevel", add_byte_level},
    Kind{"Lowercase", add_lowercase},
    Kind{"NFC", add_form<unicode::Form::nfc>},
    Kind{"NFD", add_form<unicode::Form::nfd>},
    Kind{"NFKC", add_form<unicode::Form::nfkc>},
    Kind{"NFKD", add_form<unicode::Form::nfkd>},
    Kind{"Nmt", add_nmt},
    Kind{"Precompiled", add_precompiled},
    Kind{"Prepend", add_prepend},
    Kind{"Replace", add_replace},
    Kind{"Sequence", add_sequence},
    Kind{"Strip", add_strip},
    Kind{"StripAccents", add_strip_accents},
};

void add(const Json& json, const std::string& where, Steps& steps) {
  Fields fields(json, where, ErrorKind::format);
  const std::string type = fields.required_text("type");
  check_steps(steps.size(), where);
  for (const Kind& kind : kKinds) {
    if (kind.name == type) return kind.add(fields, steps);
  }
  fail(ErrorKind::unsupported, "{}: the normalizer '{}' is not supported", where, type);
}

}  // namespace

Normalizer::Normalizer(const Json& json, std::string_view origin)
    : where_(std::string(origin) + ": normalizer") {
  if (!json.is_null()) add(json, where_, steps_);
}

void Normalizer::apply(std::vector<TextRun>& runs) const {
  const auto bytes = [&] {
    std::size_t sum = 0;
    for (const TextRun& run : runs) sum += run.text.size();
    return sum;
  };
  const TextGrowth growth(bytes(), where_);
  for (const Step& step : steps_) {
    step(runs, growth);
    growth.check(bytes());
  }
}

std::string Normalizer::apply(std::string_view text) const {
  std::vector<TextRun> runs = {{std::string(text), true}};
  apply(runs);
  return std::move(runs[0].text);
}

}  // namespace limbeck

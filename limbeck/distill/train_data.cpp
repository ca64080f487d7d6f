#include "limbeck/distill/train_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/base/terminal.h"
#include "limbeck/distill/plan.h"
#include "limbeck/format/rows.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::distill {
namespace {

constexpr std::uint64_t kTextLimit = std::uint64_t{4} << 30;
constexpr std::size_t kPiece = 64 << 10;  // bytes encoded at once, cut after a newline

// f(document) for each document of a text file.
template <typename F>
void each_document(const DataSource& source, F&& f) {
  const std::string text = read_file(source.file, kTextLimit);
  std::string_view left = text;
  if (source.separator.empty()) return f(left);
  while (!left.empty()) {
    const auto at = left.find(source.separator);
    auto document = left.substr(0, at);
    while (!document.empty() && (document.front() == '\n' || document.front() == '\r')) {
      document.remove_prefix(1);
    }
    if (!document.empty()) f(document);
    left = at == std::string_view::npos ? std::string_view()
                                        : left.substr(at + source.separator.size());
  }
}

bool is_text(const DataSource& source) { return source.file.extension() == ".txt"; }

// Long texts in pieces that end behind a newline, where no token spans into the next letter.
void encode_long(const Tokenizer& tokenizer, std::string_view text, std::vector<TokenId>& out) {
  while (!text.empty()) {
    std::size_t n = text.size();
    if (n > kPiece) {
      const auto newline = text.find_last_of('\n', kPiece);
      n = newline == std::string_view::npos || newline == 0 ? kPiece : newline + 1;
      while (n < text.size() && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) ++n;
    }
    const auto ids = tokenizer.encode(text.substr(0, n), false);
    out.insert(out.end(), ids.begin(), ids.end());
    text.remove_prefix(n);
  }
}

// What answer_of() takes for granted. Throws Error{format} naming the row.
void check_messages(const Json& messages, const DataSource& source, const Row& row) {
  const auto has_text = [](const Json& object, const char* key) {
    return object.contains(key) && object.at(key).is_string();
  };
  const auto is_call = [&](const Json& call) {
    const Json& f = call.contains("function") ? call.at("function") : call;
    return f.is_object() && has_text(f, "name");
  };
  for (const Json& message : messages) {
    const bool calls = message.contains("tool_calls") && message.at("tool_calls").is_array();
    if (!message.is_object() || (message.contains("role") && !has_text(message, "role")) ||
        (calls && !std::ranges::all_of(message.at("tool_calls"), is_call))) {
      fail(ErrorKind::format,
           "{}:{}: messages are objects whose role is text and whose tool calls have names",
           source.file.string(), row.line);
    }
  }
}

std::string answer_of(const Json& message) {
  if (const auto content = message.find("content");
      content != message.end() && content->is_string()) {
    return content->get<std::string>();
  }
  const auto calls = message.find("tool_calls");
  if (calls == message.end() || !calls->is_array() || calls->empty()) return {};
  Json list = Json::array();
  for (const auto& call : *calls) {
    const Json& f = call.contains("function") ? call.at("function") : call;
    Json arguments = f.value("arguments", Json::object());
    if (arguments.is_string()) arguments = parse_json(arguments.get<std::string>(), "tool call");
    list.push_back({{"name", f.value("name", "")}, {"arguments", arguments}});
  }
  return to_text(list.size() == 1 ? list[0] : list);
}

class Reader {
 public:
  Reader(const Tokenizer& tokenizer, std::int64_t context, const DataSource& source)
      : tokenizer_(tokenizer), context_(context), source_(source) {}

  std::vector<TrainRow> read() {
    if (is_text(source_)) {
      each_document(source_, [&](std::string_view document) { add_document(document); });
    } else {
      for (const auto& row : read_rows(source_.file)) {
        if (full()) break;
        add_row(row);
      }
    }
    return std::move(rows_);
  }
  std::int64_t too_long() const { return too_long_; }

 private:
  bool full() const {
    return source_.max_rows > 0 && static_cast<std::int64_t>(rows_.size()) >= source_.max_rows;
  }

  void add_document(std::string_view text) {
    std::vector<TokenId> ids;
    if (tokenizer_.bos()) ids.push_back(*tokenizer_.bos());
    encode_long(tokenizer_, text, ids);
    if (tokenizer_.eos()) ids.push_back(*tokenizer_.eos());
    const auto size = static_cast<std::size_t>(context_);
    for (std::size_t at = 0; at < ids.size() && !full(); at += size) {
      const auto end = std::min(ids.size(), at + size);
      if (end - at < 2) break;  // nothing to predict
      rows_.push_back({{ids.begin() + static_cast<std::ptrdiff_t>(at),
                        ids.begin() + static_cast<std::ptrdiff_t>(end)},
                       1,
                       {}});
    }
  }

  void add_answer(std::vector<TokenId> prompt, const std::string& answer) {
    auto row = answer_row(tokenizer_, std::move(prompt), answer, source_.answers_only);
    if (static_cast<std::int64_t>(row.tokens.size()) > context_) {
      ++too_long_;
    } else if (!full()) {
      rows_.push_back(std::move(row));
    }
  }

  void add_row(const Row& row) {
    const Json& json = row.value;
    const auto text = [&](const char* key) -> const std::string* {
      const auto found = json.find(key);
      return found != json.end() && found->is_string() ? &found->get_ref<const std::string&>()
                                                       : nullptr;
    };
    if (const auto messages = json.find("messages");
        messages != json.end() && messages->is_array()) {
      check_messages(*messages, source_, row);
      const Json tools = json.value("tools", Json());
      Json before = Json::array();
      for (const auto& message : *messages) {
        const bool answers = !source_.last_turn || before.size() + 1 == messages->size();
        if (answers && message.value("role", "") == "assistant") {
          add_answer(chat_prompt(tokenizer_, before, tools), answer_of(message));
        }
        before.push_back(message);
      }
    } else if (text("prompt") && text("completion")) {
      add_answer(tokenizer_.encode(*text("prompt"), true), *text("completion"));
    } else if (text("text")) {
      add_document(*text("text"));
    } else {
      fail_try(ErrorKind::usage,
               "rows are {\"text\"}, {\"prompt\", \"completion\"} or {\"messages\"}",
               "{}:{}: no known form of training row", source_.file.string(), row.line);
    }
  }

  const Tokenizer& tokenizer_;
  std::int64_t context_;
  const DataSource& source_;
  std::vector<TrainRow> rows_;
  std::int64_t too_long_ = 0;
};

// Each row floor(weight) times, and a random share of them once more.
std::vector<TrainRow> weighted(std::vector<TrainRow> rows, double weight, Random& random) {
  if (weight == 1) return rows;
  std::vector<TrainRow> out;
  const double whole = std::floor(weight);
  for (const auto& row : rows) {
    const auto times = static_cast<int>(whole) + (random.uniform() < weight - whole);
    for (int i = 0; i < times; ++i) out.push_back(row);
  }
  return out;
}

std::int64_t count_tokens(const std::vector<TrainRow>& rows) {
  std::int64_t tokens = 0;
  for (const auto& row : rows) tokens += static_cast<std::int64_t>(row.tokens.size());
  return tokens;
}

// Every text of a source, for the tokenizer's training.
void each_text(const DataSource& source, const std::function<void(std::string_view)>& f) {
  if (is_text(source)) return each_document(source, f);
  for (const auto& row : read_rows(source.file)) {
    for (const char* key : {"text", "prompt", "completion"}) {
      const auto found = row.value.find(key);
      if (found != row.value.end() && found->is_string()) f(found->get_ref<const std::string&>());
    }
    const auto messages = row.value.find("messages");
    if (messages == row.value.end() || !messages->is_array()) continue;
    check_messages(*messages, source, row);
    for (const auto& message : *messages) f(answer_of(message));
    if (const auto tools = row.value.find("tools"); tools != row.value.end()) f(to_text(*tools));
  }
}

}  // namespace

TrainRow answer_row(const Tokenizer& tokenizer, std::vector<TokenId> prompt,
                    std::string_view answer, bool answers_only) {
  TrainRow row;
  row.first_target =
      answers_only ? std::max<std::int64_t>(1, static_cast<std::int64_t>(prompt.size())) : 1;
  row.tokens = std::move(prompt);
  const auto ids = tokenizer.encode(answer, false);
  row.tokens.insert(row.tokens.end(), ids.begin(), ids.end());
  row.tokens.push_back(answer_end(tokenizer));
  return row;
}

TrainData read_train_data(const std::vector<DataSource>& sources, const Tokenizer& tokenizer,
                          std::int64_t context, std::uint64_t seed) {
  TrainData data;
  Random random(seed, 0x77656967);
  for (const auto& source : sources) {
    Reader reader(tokenizer, context, source);
    auto rows = reader.read();
    auto note = fmt::format("{}: {} rows, {} tokens", source.file.string(), rows.size(),
                            human_count(static_cast<double>(count_tokens(rows))));
    if (source.weight != 1) note += fmt::format(", taken {} times", source.weight);
    if (reader.too_long() > 0) {
      note += fmt::format(", {} rows over {} tokens left out", reader.too_long(), context);
    }
    data.notes.push_back(std::move(note));
    auto taken = weighted(std::move(rows), source.weight, random);
    std::move(taken.begin(), taken.end(), std::back_inserter(data.rows));
  }
  return data;
}

Tokenizer make_tokenizer(const TrainConfig& config) {
  if (!config.start.model.empty()) return Tokenizer::open(config.start.model);
  if (!config.train_tokenizer) return Tokenizer::open(config.tokenizer);
  const auto trained = train_bpe(
      [&](const std::function<void(std::string_view)>& f) {
        for (const auto& source : config.data) each_text(source, f);
      },
      *config.train_tokenizer);
  return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json,
                              config.origin.string());
}

PreparedTraining prepare_training(const TrainConfig& config) {
  PreparedTraining p{make_tokenizer(config), {}, {}, {}, config.start.shape};
  if (!config.start.model.empty()) p.architecture = read_architecture(config.start.model);
  p.architecture.vocab_size =
      std::max<std::int64_t>(p.architecture.vocab_size, p.tokenizer.vocab_size());
  const auto context = p.architecture.context_length;
  auto data = read_train_data(config.data, p.tokenizer, context, config.options.seed);
  p.notes = std::move(data.notes);
  p.rows = std::move(data.rows);
  if (!config.dev.empty()) {
    auto dev = read_train_data(config.dev, p.tokenizer, context, config.options.seed);
    p.dev = std::move(dev.rows);
    for (auto& note : dev.notes) p.notes.push_back("dev: " + std::move(note));
  } else if (config.dev_share > 0 && p.rows.size() > 1) {
    Random random(config.options.seed, 0x64657673);
    shuffle(p.rows, random);
    const auto n = std::clamp<std::size_t>(
        static_cast<std::size_t>(config.dev_share * static_cast<double>(p.rows.size())), 1,
        p.rows.size() - 1);
    p.dev.assign(std::make_move_iterator(p.rows.end() - static_cast<std::ptrdiff_t>(n)),
                 std::make_move_iterator(p.rows.end()));
    p.rows.resize(p.rows.size() - n);
    p.notes.push_back(fmt::format("dev: {} of the rows held out", n));
  }
  return p;
}

TrainingEstimate estimate_training(const PreparedTraining& prepared, const TrainOptions& options) {
  const Architecture& a = prepared.architecture;
  TrainingEstimate e;
  e.parameters = parameter_count(a);
  // Products alone count; an untied input embedding is looked up, not multiplied.
  const auto looked_up = a.tied_embeddings ? 0 : a.vocab_size * a.hidden;
  for (const auto& step : plan_steps(prepared.rows, options)) {
    ++e.steps;
    e.tokens += step.tokens;
    for (const auto& micro : step.micro) {
      for (const auto row : micro.rows) {
        const auto n = static_cast<double>(prepared.rows[row].tokens.size());
        e.flops += 6 * n * static_cast<double>(e.parameters - looked_up) +
                   6 * n * n * static_cast<double>(a.layers * a.heads * a.head_dim);
      }
    }
  }
  return e;
}

}  // namespace limbeck::distill

#include "limbeck/report/tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <set>

#include "limbeck/base/terminal.h"
#include "limbeck/report/results.h"

namespace limbeck::report {
namespace {

using Cell = std::function<std::string(const Json& model)>;

std::string with_factor(const std::string& text, const Json& value, const Json& first) {
  if (!value.is_number() || !first.is_number() || value.get<double>() <= 0) return text;
  const double factor = first.get<double>() / value.get<double>();
  return factor > 1.005 ? fmt::format("{} (1/{:.1f})", text, factor) : text;
}

std::string speed(const Json& interval, const Json& first) {
  const Json &value = at(interval, {"value"}), &base = at(first, {"value"});
  std::string text = number(value, 0);
  if (value.is_number() && base.is_number() && base.get<double>() > 0 && &interval != &first) {
    text += fmt::format(" ({:.1f}x)", value.get<double>() / base.get<double>());
  }
  return text;
}

const Json& entry_of(const Json& model, const char* list, std::size_t index) {
  static const Json null;
  const Json& entries = at(model, {list});
  return entries.is_array() && index < entries.size() ? entries[index] : null;
}

std::size_t longest(const Json& results, const char* list) {
  std::size_t n = 0;
  for (const Json& model : results.at("models")) n = std::max(n, at(model, {list}).size());
  return n;
}

std::string label_of(const Json& results, const char* list, std::size_t index, const char* key) {
  for (const Json& model : results.at("models")) {
    const Json& name = at(entry_of(model, list, index), {key});
    if (name.is_string()) return safe_tty(name.get<std::string>());
  }
  return "?";
}

std::string pretty_metric(std::string name) {
  std::ranges::replace(name, '_', ' ');
  return name;
}

class Builder {
 public:
  explicit Builder(const Json& results) : results_(results) {
    std::vector<std::string> header = {""};
    for (const Json& model : results.at("models"))
      header.push_back(safe_tty(model.at("name").get<std::string>()));
    rows_.push_back(header);
  }
  void section(const char* title) { rows_.push_back({title}); }
  void row(std::string label, const Cell& cell) {
    std::vector<std::string> row = {std::move(label)};
    bool any = false;
    for (const Json& model : results_.at("models")) {
      row.push_back(cell(model));
      any = any || row.back() != "-";
    }
    if (any) rows_.push_back(std::move(row));
  }
  const Json& first() const { return results_.at("models")[0]; }
  Rows take() { return std::move(rows_); }

 private:
  const Json& results_;
  Rows rows_;
};

void add_task_rows(Builder& table, const Json& results, std::size_t index,
                   const std::string& prefix, bool all_metrics) {
  std::set<std::string> names;
  std::string primary;
  for (const Json& model : results.at("models")) {
    const Json& task = entry_of(model, "tasks", index);
    if (at(task, {"primary"}).is_string()) primary = task.at("primary").get<std::string>();
    for (const auto& [name, value] : at(task, {"metrics"}).items()) names.insert(name);
  }
  const auto add = [&](const std::string& name) {
    table.row(fmt::format("{}{}, %", prefix, pretty_metric(name)), [&](const Json& model) {
      return percent_interval(at(entry_of(model, "tasks", index), {"metrics", name}));
    });
  };
  add(primary);
  if (!all_metrics) {
    table.row("  difference, points", [&](const Json& model) {
      return marked_difference(at(entry_of(model, "tasks", index), {"difference"}));
    });
    return;
  }
  table.row("difference, points", [&](const Json& model) {
    return marked_difference(at(entry_of(model, "tasks", index), {"difference"}));
  });
  table.row("p of the difference", [&](const Json& model) {
    return p_value(at(entry_of(model, "tasks", index), {"difference", "p"}));
  });
  if (results.at("models").size() > 2) {
    table.row("p, Holm-adjusted", [&](const Json& model) {
      return p_value(at(entry_of(model, "tasks", index), {"difference", "p_adjusted"}));
    });
  }
  for (const std::string& name : names) {
    if (name != primary) add(name);
  }
}

std::string milliseconds(const Json& value) {
  if (!value.is_number()) return "-";
  const double ms = 1000 * value.get<double>();
  return fmt::format("{:.{}f}", ms, ms < 10 ? 2 : ms < 100 ? 1 : 0);
}

}  // namespace

std::string marked_difference(const Json& value) {
  const Json &low = at(value, {"low"}), &high = at(value, {"high"});
  const bool noise =
      low.is_number() && high.is_number() && low.get<double>() <= 0 && high.get<double>() >= 0;
  return difference(value) + (noise ? " noise" : "");
}

std::string training_text(const Json& model) {
  if (at(model, {"format"}) == "endpoint") return "not told";
  const Json& training = at(model, {"training"});
  std::string text;
  if (at(training, {"tokens"}).is_number()) {
    const Json& seconds = at(training, {"seconds"});
    text = fmt::format("{} tokens, {}", count(training.at("tokens")),
                       human_seconds(seconds.is_number() ? seconds.get<double>() : 0));
  }
  const Json& calibration = at(training, {"calibration_tokens"});
  if (calibration.is_number() && calibration.get<double>() > 0)
    text += fmt::format("{}{} calibration tokens", text.empty() ? "" : " + ", count(calibration));
  return text.empty() ? "none" : text;
}

std::string making_text(const Json& model) {
  const Json& training = at(model, {"training"});
  const auto text = [&](const char* key) {
    const Json& value = at(training, {key});
    return value.is_string() ? safe_tty(value.get<std::string>()) : std::string();
  };
  std::string out = text("method");
  if (const Json& seed = at(training, {"seed"}); seed.is_number())
    out += fmt::format("{}seed {}", out.empty() ? "" : ", ", seed.dump());
  if (const std::string by = text("quantized_by"); !by.empty())
    out += fmt::format("{}quantized ({})", out.empty() ? "" : "; ", by);
  return out;
}

Rows dimension_rows(const Json& results) {
  Builder table(results);
  const Json& first = table.first();
  const auto shrinking = [&](const char* label, const char* key) {
    table.row(label, [&, key](const Json& model) {
      return with_factor(count(at(model, {key})), at(model, {key}), at(first, {key}));
    });
  };
  table.section("What shrinks");
  shrinking("parameters", "parameters");
  shrinking("layers", "layers");
  table.row("bits per weight",
            [](const Json& model) { return number(at(model, {"bits_per_weight"}), 2); });
  table.section("Size");
  for (const auto& [label, key] :
       {std::pair("on disk", "bytes"), std::pair("peak memory", "peak_bytes")}) {
    table.row(label, [&, key = key](const Json& model) {
      return with_factor(bytes(at(model, {key})), at(model, {key}), at(first, {key}));
    });
  }
  table.section("Speed");
  table.row("load, s", [](const Json& model) { return number(at(model, {"load_s"}), 3); });
  for (const auto& [label, key] : {std::pair("prompt, tokens/s", "prompt_tokens_per_s"),
                                   std::pair("generation, tokens/s", "generation_tokens_per_s"),
                                   std::pair("task, items/s", "items_per_s")}) {
    table.row(label, [&, key = key](const Json& model) {
      const Json &value = at(model, {key}), &base = at(first, {key});
      if (value.is_object()) return speed(value, base);
      return value.is_number() ? speed({{"value", value}}, {{"value", base}}) : std::string("-");
    });
  }
  for (const auto& [label, key] :
       {std::pair("task, p50 ms", "p50_s"), std::pair("task, p95 ms", "p95_s")})
    table.row(label, [key = key](const Json& model) { return milliseconds(at(model, {key})); });
  if (longest(results, "tasks") > 0) {
    table.section("Accuracy");
    add_task_rows(table, results, 0, label_of(results, "tasks", 0, "task") + " ", true);
  }
  table.section("Training required");
  table.row("training, tokens", [](const Json& model) {
    const Json& tokens = at(model, {"training", "tokens"});
    if (tokens.is_number()) return count(tokens);
    return std::string(at(model, {"format"}) == "endpoint" ? "not told" : "none");
  });
  table.row("training, time", [](const Json& model) {
    const Json& seconds = at(model, {"training", "seconds"});
    return seconds.is_number() ? human_seconds(seconds.get<double>()) : std::string("-");
  });
  table.row("calibration, tokens", [](const Json& model) {
    return count(at(model, {"training", "calibration_tokens"}));
  });
  if (longest(results, "tasks") > 1 || longest(results, "texts") > 0)
    table.section("Task specificity");
  for (std::size_t i = 1; i < longest(results, "tasks"); ++i) {
    add_task_rows(table, results, i, label_of(results, "tasks", i, "task") + " ", false);
  }
  for (std::size_t i = 0; i < longest(results, "texts"); ++i) {
    const std::string text = label_of(results, "texts", i, "text");
    table.row(text + " perplexity", [i](const Json& model) {
      return number(at(entry_of(model, "texts", i), {"perplexity", "value"}), 2);
    });
    table.row(text + " KL, nats", [i](const Json& model) {
      return number(at(entry_of(model, "texts", i), {"kl", "mean"}), 4);
    });
    table.row(text + " same top-1, %", [i](const Json& model) {
      return percent(at(entry_of(model, "texts", i), {"same_top1", "value"}));
    });
  }
  return table.take();
}

namespace {

std::string hardware_line(const Json& results) {
  const Json& machine = at(results, {"machine"});
  const auto text = [&](const char* key) {
    const Json& value = at(machine, {key});
    return value.is_string() ? safe_tty(value.get<std::string>())
           : value.is_null() ? "-"
                             : value.dump();
  };
  return fmt::format("Hardware: {}, {} threads of {} cores, {} memory, kernels {}", text("cpu"),
                     text("threads"), text("cores"), bytes(at(machine, {"memory_bytes"})),
                     text("kernels"));
}

std::string sample_line(const Json& results) {
  if (!at(results, {"task", "n"}).is_number()) return {};
  return fmt::format(
      "Intervals: 95 %, n = {} test items; differences against the first model, paired on the same "
      "items",
      count(at(results, {"task", "n"})));
}

}  // namespace

std::string terminal_text(const Json& results, int columns) {
  const Rows rows = dimension_rows(results);
  std::vector<int> widths;
  for (const auto& row : rows) {
    if (row.size() == 1) continue;
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], display_width(row[i]));
  }
  // As many model columns a block as fit, at least one.
  std::string out;
  std::size_t begin = 1;
  while (begin < widths.size()) {
    int used = widths[0] + 2;
    std::size_t end = begin;
    while (end < widths.size() && (end == begin || used + widths[end] + 2 <= columns))
      used += widths[end++] + 2;
    for (const auto& row : rows) {
      const auto pad = [&](std::size_t i) {
        return std::string(static_cast<std::size_t>(widths[i] - display_width(row[i])), ' ');
      };
      if (row.size() == 1) {
        out += row[0] + "\n";
        continue;
      }
      std::string line =
          (row[0].empty() ? "" : "  ") + row[0] + pad(0) + (row[0].empty() ? "  " : "");
      for (std::size_t i = begin; i < end; ++i) line += "  " + pad(i) + row[i];
      out += line + "\n";
    }
    out += "\n";
    begin = end;
  }
  out += hardware_line(results) + "\n";
  if (const std::string line = sample_line(results); !line.empty()) out += line + "\n";
  for (const Json& model : results.at("models")) {
    for (const auto& [what, why] : at(model, {"not_measured"}).items()) {
      out += fmt::format("Not measured: {} of {}: {}\n", safe_tty(what),
                         safe_tty(model.at("name").get<std::string>()),
                         safe_tty(why.is_string() ? why.get<std::string>() : why.dump()));
    }
  }
  out += "\n" + safe_tty(results.at("verdict").at("sentence").get<std::string>()) + "\n";
  if (const Json& alternative = at(results, {"verdict", "alternative"}); alternative.is_string())
    out += safe_tty(alternative.get<std::string>()) + "\n";
  return out;
}

std::string markdown(const Json& results) {
  const auto cell = [](std::string text) {
    std::string escaped;
    for (const char c : text) {
      if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '_' || c == '[' || c == ']' ||
          c == '#')
        escaped += '\\';
      if (c == '<') {
        escaped += "&lt;";
      } else if (c == '\n') {
        escaped += ' ';
      } else {
        escaped += c;
      }
    }
    return escaped;
  };
  const Rows rows = dimension_rows(results);
  std::string out =
      "# Comparison\n\n" + cell(results.at("verdict").at("sentence").get<std::string>()) + "\n\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out += "|";
    for (std::size_t j = 0; j < rows[0].size(); ++j) {
      const std::string text = j < rows[i].size() ? cell(rows[i][j]) : "";
      out += rows[i].size() == 1 && j == 0 ? fmt::format(" **{}** |", text)
                                           : fmt::format(" {} |", text);
    }
    out += "\n";
    if (i > 0) continue;
    out += "|---|";
    for (std::size_t j = 1; j < rows[0].size(); ++j) out += "---:|";
    out += "\n";
  }
  out += "\n" + cell(hardware_line(results)) + "\n\n";
  if (const std::string line = sample_line(results); !line.empty()) out += cell(line) + "\n\n";
  for (const Json& reason : at(results, {"verdict", "reasons"}))
    out += "- " + cell(reason.get<std::string>()) + "\n";
  for (const Json& model : results.at("models")) {
    for (const auto& [what, why] : at(model, {"not_measured"}).items()) {
      out += fmt::format("- not measured: {} of {}: {}\n", cell(what),
                         cell(model.at("name").get<std::string>()),
                         cell(why.is_string() ? why.get<std::string>() : why.dump()));
    }
  }
  if (at(results, {"command"}).is_string())
    out += "\nMade by `" + results.at("command").get<std::string>() + "`\n";
  return out;
}

}  // namespace limbeck::report

#include "limbeck/report/html_parts.h"

#include <fmt/core.h>

#include <algorithm>

#include "limbeck/base/utf8.h"
#include "limbeck/report/results.h"
#include "limbeck/report/svg.h"
#include "limbeck/report/svg_axis.h"
#include "limbeck/report/tables.h"

namespace limbeck::report {
namespace {

constexpr std::size_t kCellBytes = 400, kMostClasses = 300, kOpenClasses = 20;

std::string text_at(const Json& json, std::initializer_list<std::string_view> path) {
  const Json& value = at(json, path);
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : to_text(value);
}

std::string short_text(std::string text) {
  if (text.size() <= kCellBytes) return text;
  std::size_t end = kCellBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "\u2026";
}

const Json* model_named(const Json& results, const std::string& name) {
  for (const Json& model : results.at("models")) {
    if (at(model, {"name"}) == name) return &model;
  }
  return nullptr;
}

double number_or(const Json& value, double otherwise) {
  return value.is_number() ? value.get<double>() : otherwise;
}

std::string fact(std::string_view what, const std::string& value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", what, html_escape(value));
}

// The picked model against the first in three numbers.
std::string facts(const Json& results) {
  const Json* pick = model_named(results, text_at(results, {"verdict", "model"}));
  const Json& first = results.at("models")[0];
  if (!pick || pick == &first) return {};
  std::string out;
  const double bytes_first = number_or(at(first, {"bytes"}), 0),
               bytes_pick = number_or(at(*pick, {"bytes"}), 0);
  if (bytes_first > 0 && bytes_pick > 0)
    out += fact("smaller", fmt::format("{:.1f}\u00d7", bytes_first / bytes_pick));
  const double speed_first = number_or(at(first, {"items_per_s"}), 0),
               speed_pick = number_or(at(*pick, {"items_per_s"}), 0);
  if (speed_first > 0 && speed_pick > 0)
    out += fact(
        speed_pick >= speed_first ? "faster on the task" : "slower on the task",
        fmt::format("{:.1f}\u00d7", std::max(speed_pick / speed_first, speed_first / speed_pick)));
  const Json& change = at(first_task(*pick), {"difference", "value"});
  if (change.is_number())
    out += fact("points of " + text_at(results, {"task", "metric"}),
                fmt::format("{:+.1f}", 100 * change.get<double>()));
  return out.empty() ? "" : "<dl class=\"facts\">" + out + "</dl>";
}

// Tokens trained on, and tokens calibrated on: "1.83M + 65.5k cal."
std::string short_training(const Json& model) {
  if (at(model, {"format"}) == "endpoint") return "not told";
  const Json& training = at(model, {"training"});
  const double tokens = number_or(at(training, {"tokens"}), 0),
               calibration = number_or(at(training, {"calibration_tokens"}), 0);
  std::string out = tokens > 0 ? short_number(tokens) : "";
  if (calibration > 0)
    out += fmt::format("{}{} cal.", out.empty() ? "" : " + ", short_number(calibration));
  return out.empty() ? "none" : out;
}

std::string_view explain(std::string_view confidence) {
  if (confidence == "measured")
    return "The intervals below, paired on the same test items, support this sentence at 95 %.";
  if (confidence == "within the noise")
    return "The test set is too small to decide: the interval of the difference is wider than the "
           "margin. More test items would tell.";
  return "No score was measured that could support a choice.";
}

}  // namespace

std::string cell_at(const Json& json, std::initializer_list<std::string_view> path) {
  return html_escape(short_text(text_at(json, path)));
}

std::string table_begin(std::string_view label, std::string_view caption,
                        std::initializer_list<std::string_view> columns,
                        const std::string& more_columns) {
  std::string out = fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table>"
      "<caption>{}</caption><thead><tr>",
      html_escape(label), html_escape(caption));
  for (const std::string_view column : columns) {
    // "<" marks a column of text, which stands left.
    const bool left = column.starts_with('<');
    out += fmt::format("<th scope=\"col\"{}>{}</th>", left ? " class=\"left\"" : "",
                       html_escape(column.substr(left ? 1 : 0)));
  }
  return out + more_columns + "</tr></thead><tbody>";
}

std::string table_end() { return "</tbody></table></div>"; }

std::string model_columns(const Json& results) {
  std::string out;
  for (const Json& model : results.at("models"))
    out += "<th scope=\"col\">" + cell_at(model, {"name"}) + "</th>";
  return out;
}

std::string verdict_section(const Json& results) {
  const std::string confidence = text_at(results, {"verdict", "confidence"});
  std::string reasons;
  for (const Json& reason : at(results, {"verdict", "reasons"}))
    reasons += "<li>" + html_escape(short_text(reason.get<std::string>())) + "</li>";
  if (!reasons.empty())
    reasons =
        "<details><summary>Every model in one line</summary><ul>" + reasons + "</ul></details>";
  std::string alternative = cell_at(results, {"verdict", "alternative"});
  if (!alternative.empty()) alternative = "<p class=\"alternative\">" + alternative + "</p>";
  return fmt::format(
      "<section class=\"verdict\" id=\"verdict\" aria-label=\"Verdict\"><p>{}</p>{}{}"
      "<p class=\"conf\"><span class=\"badge\">{}</span>{}</p>{}</section>",
      html_escape(text_at(results, {"verdict", "sentence"})), facts(results), alternative,
      html_escape(confidence), explain(confidence), reasons);
}

std::string ways_table(const Json& results) {
  const Json& first = results.at("models")[0];
  const std::string pick = text_at(results, {"verdict", "model"}),
                    metric = text_at(results, {"task", "metric"});
  const std::string score = metric.empty() ? "score" : metric + ", %";
  std::string out =
      table_begin("The ways side by side",
                  "The ways side by side. Differences are paired on the same test items; 'noise' "
                  "where the interval includes zero.",
                  {"model", "<way", "size", "smaller", score, "difference, points", "items/s",
                   "peak memory", "training, tokens"});
  for (const Json& model : results.at("models")) {
    const Json& task = first_task(model);
    const double bytes_first = number_or(at(first, {"bytes"}), 0),
                 bytes_here = number_or(at(model, {"bytes"}), 0);
    const Way way = way_of(text_at(model, {"role"}));
    const bool picked = !pick.empty() && text_at(model, {"name"}) == pick;
    out += fmt::format(
        "<tr{}><th scope=\"row\"><svg class=\"key\" viewBox=\"0 0 18 18\" "
        "aria-hidden=\"true\">{}</svg>{}{}</th><td class=\"left\">{}</td>",
        picked ? " class=\"pick\"" : "", mark_svg(way, 9, 9, true), cell_at(model, {"name"}),
        picked ? " <span class=\"badge\">chosen</span>" : "",
        way == Way::other ? cell_at(model, {"role"}) : std::string(name(way)));
    for (const std::string& text :
         {bytes(at(model, {"bytes"})),
          bytes_here > 0 && bytes_first > 0 && &model != &first
              ? fmt::format("{:.1f}\u00d7", bytes_first / bytes_here)
              : std::string("-"),
          percent_interval(at(task, {"metrics", text_at(task, {"primary"})})),
          marked_difference(at(task, {"difference"})), number(at(model, {"items_per_s"}), 0),
          bytes(at(model, {"peak_bytes"}))})
      out += "<td>" + html_escape(text) + "</td>";
    out += "<td>" + html_escape(short_training(model)) + "</td></tr>";
  }
  return "<h2 id=\"ways\">The ways side by side</h2>" + out + table_end();
}

std::string dimensions_table(const Json& results) {
  const Rows rows = dimension_rows(results);
  std::string out = table_begin(
      "The seven dimensions",
      "All that was measured, one model a column. In brackets after a number: the factor against "
      "the first model, or the 95 % interval.",
      {""}, model_columns(results));
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].size() == 1) {
      out += fmt::format("<tr class=\"section\"><th scope=\"colgroup\" colspan=\"{}\">{}</th></tr>",
                         rows[0].size(), html_escape(rows[i][0]));
      continue;
    }
    out += "<tr><th scope=\"row\">" + html_escape(short_text(rows[i][0])) + "</th>";
    for (std::size_t j = 1; j < rows[i].size(); ++j)
      out += "<td>" + html_escape(short_text(rows[i][j])) + "</td>";
    out += "</tr>";
  }
  return "<h2 id=\"dimensions\">The seven dimensions</h2>" + out + table_end();
}

std::string classes_section(const Json& results) {
  const Json& rows = at(results, {"classes"});
  if (!rows.is_array() || rows.empty()) return {};
  const bool fields = text_at(results, {"task", "kind"}) == "extraction";
  std::string out =
      table_begin(fields ? "By field" : "By class",
                  fields ? "F1 of each field, in percent; n counts it in the test set."
                         : "Share of the test items of each class that were right, in percent.",
                  {fields ? "field" : "class", "n"}, model_columns(results));
  std::size_t n = 0;
  for (const Json& row : rows) {
    if (++n > kMostClasses) break;
    out += "<tr><th scope=\"row\">" + cell_at(row, {"class"}) + "</th><td>" +
           count(at(row, {"n"})) + "</td>";
    for (const Json& recall : at(row, {"recall"})) out += "<td>" + percent(recall) + "</td>";
    out += "</tr>";
  }
  out += table_end();
  if (rows.size() > kMostClasses)
    out += fmt::format("<p class=\"note\">{} more are in results.json.</p>",
                       rows.size() - kMostClasses);
  const std::string title = fields ? "By field" : "By class";
  return fmt::format("<h2 id=\"classes\">{}</h2><details{}><summary>{} {}</summary>{}</details>",
                     title, rows.size() <= kOpenClasses ? " open" : "", rows.size(),
                     fields ? "fields" : "classes", out);
}

std::string confusions_section(const Json& results) {
  const Json& rows = at(results, {"confusions"});
  if (!rows.is_array() || rows.empty()) return {};
  std::string out =
      table_begin("Confusions", "The most frequent wrong answers of each model, at most ten.",
                  {"model", "<gold", "<answered", "times"});
  for (const Json& row : rows) {
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"left wrap\">{}</td><td class=\"left "
        "wrap\">{}</td><td>{}</td></tr>",
        cell_at(row, {"model"}), cell_at(row, {"gold"}), cell_at(row, {"predicted"}),
        count(at(row, {"n"})));
  }
  return fmt::format(
      "<h2 id=\"confusions\">Confusions</h2><details{}><summary>{} pairs</summary>{}</details>",
      rows.size() <= kOpenClasses ? " open" : "", rows.size(), out + table_end());
}

std::string disagreements_section(const Json& results) {
  const Json& rows = at(results, {"disagreements"});
  if (!rows.is_array() || rows.empty()) return {};
  std::string out = table_begin(
      "Disagreements", "Test items on which the models differ; those that one got right first.",
      {"<input", "<gold"}, model_columns(results));
  for (const Json& row : rows) {
    out += "<tr><th scope=\"row\" class=\"left wrap\">" + cell_at(row, {"input"}) +
           "</th><td class=\"left wrap\">" + cell_at(row, {"gold"}) + "</td>";
    for (const Json& answer : at(row, {"answers"})) {
      const Json& right = at(answer, {"right"});
      if (right.is_boolean()) {
        const bool is_right = right.get<bool>();
        out += fmt::format(
            "<td class=\"left wrap {}\"><span aria-label=\"{}\" role=\"img\">{}"
            "</span> {}</td>",
            is_right ? "right" : "wrong",
            is_right ? "right:" : "wrong:", is_right ? "&#10003;" : "&#10007;",
            cell_at(answer, {"answer"}));
      } else {
        out += "<td class=\"left quiet\">not measured</td>";
      }
    }
    out += "</tr>";
  }
  return "<h2 id=\"disagreements\">Where the models disagree</h2>" + out + table_end();
}

std::string not_measured_section(const Json& results) {
  std::string out;
  for (const Json& model : results.at("models")) {
    for (const auto& [what, why] : at(model, {"not_measured"}).items()) {
      out += fmt::format(
          "<li><b>{}</b> of {}: {}</li>", html_escape(short_text(what)), cell_at(model, {"name"}),
          html_escape(short_text(why.is_string() ? why.get<std::string>() : to_text(why))));
    }
  }
  if (out.empty())
    out = "<li>Everything the tables have a row for was measured on every model.</li>";
  return "<h2 id=\"missing\">What was not measured</h2><ul>" + out +
         "<li>Other seeds of the training than the one in each model's manifest, other machines "
         "than the one below, and other tasks than those named.</li></ul>";
}

std::string reproduction_section(const Json& results) {
  std::string out =
      "<h2 id=\"reproduce\">How to reproduce</h2><pre tabindex=\"0\" aria-label=\"Command\">" +
      html_escape(text_at(results, {"command"})) + "</pre>" +
      table_begin("Files", "What was measured, by content.",
                  {"model", "<file", "<how it was made", "<SHA-256"});
  for (const Json& model : results.at("models")) {
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"left wrap\"><code>{}</code></td><td "
        "class=\"left wrap\">{}</td><td class=\"left wrap\"><code>{}</code></td></tr>",
        cell_at(model, {"name"}), cell_at(model, {"path"}), html_escape(making_text(model)),
        cell_at(model, {"sha256"}));
  }
  const Json& machine = at(results, {"machine"});
  const std::string task_hash = text_at(results, {"task", "sha256"});
  return out + table_end() +
         fmt::format(
             "<p class=\"note\">Machine: {}; {} threads of {} cores; {} memory; kernels {}. "
             "Program: {}. Seed {}. Made {}.{}</p>",
             cell_at(machine, {"cpu"}), cell_at(machine, {"threads"}), cell_at(machine, {"cores"}),
             bytes(at(machine, {"memory_bytes"})), cell_at(machine, {"kernels"}),
             cell_at(machine, {"program"}), cell_at(results, {"seed"}),
             cell_at(results, {"created"}),
             task_hash.empty()
                 ? std::string()
                 : fmt::format(" Task and test items: <code>{}</code>.", html_escape(task_hash)));
}

}  // namespace limbeck::report

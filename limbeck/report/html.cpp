#include "limbeck/report/html.h"

#include <fmt/core.h>

#include <string_view>
#include <vector>

#include "limbeck/report/results.h"
#include "limbeck/report/svg.h"
#include "limbeck/report/tables.h"

namespace limbeck::report {
namespace {

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--ink:#1c1f24;--soft:#5a6472;--line:#d9dee6;--page:#fbfbfd;--card:#fff;--accent:#0b6e5f;--good:#0b6e5f;--bad:#b3261e;--zebra:#f3f5f8}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaee;--soft:#a3adba;--line:#353c47;--page:#14171c;--card:#1b1f26;--accent:#4fd1b8;--good:#4fd1b8;--bad:#ff8a80;--zebra:#20252d}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1240px;margin:0 auto;padding:2rem 1rem 4rem}h1{font-size:1.7rem;margin:0 0 .2rem;letter-spacing:-.01em}h2{font-size:1.2rem;margin:2.4rem 0 .8rem}
.sub,.note,figcaption{color:var(--soft);font-size:.9rem}.verdict{background:var(--card);border:1px solid var(--line);border-left:5px solid var(--accent);border-radius:8px;padding:1rem 1.2rem;margin:1.4rem 0;font-size:1.15rem}
.verdict p{margin:.2rem 0}.badge{display:inline-block;border:1px solid var(--accent);color:var(--accent);border-radius:99px;padding:0 .6rem;font-size:.8rem}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;background:var(--card)}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.42rem .8rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:inherit}
tr{background:var(--card)}thead th{border-bottom:2px solid var(--line)}tr.section th{background:var(--zebra);text-align:left;font-weight:600}td.left,th.left{text-align:left}td.left{white-space:normal;max-width:24rem;overflow-wrap:anywhere}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:1rem}figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem}
svg{width:100%;height:auto;display:block}svg text{fill:var(--ink);font-size:12px}.grid{stroke:var(--line);stroke-width:1}.bar{stroke:var(--soft);stroke-width:1.5}
.on{fill:var(--accent)}.off{fill:var(--card);stroke:var(--soft);stroke-width:2}.frontier{fill:none;stroke:var(--accent);stroke-width:1.5;stroke-dasharray:4 3}
.right{color:var(--good)}.wrong{color:var(--bad)}pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem;overflow-x:auto;font-size:.85rem}
@media print{.scroll{overflow:visible}}
)css";

std::string text_at(const Json& json, std::initializer_list<std::string_view> path) {
  const Json& value = at(json, path);
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
}

std::string main_table(const Json& results) {
  const Rows rows = dimension_rows(results);
  std::string out =
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Comparison "
      "table\"><table><thead><tr>";
  for (const std::string& name : rows[0]) out += "<th scope=\"col\">" + html_escape(name) + "</th>";
  out += "</tr></thead><tbody>";
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].size() == 1) {
      out += fmt::format("<tr class=\"section\"><th scope=\"rowgroup\" colspan=\"{}\">{}</th></tr>",
                         rows[0].size(), html_escape(rows[i][0]));
      continue;
    }
    out += "<tr><th scope=\"row\">" + html_escape(rows[i][0]) + "</th>";
    for (std::size_t j = 1; j < rows[i].size(); ++j)
      out += "<td>" + html_escape(rows[i][j]) + "</td>";
    out += "</tr>";
  }
  return out + "</tbody></table></div>";
}

// Accuracy (primary metric of the first task, in percent) against one number of each model.
Plot accuracy_plot(const Json& results, std::string title, std::string x_label,
                   std::initializer_list<std::string_view> x_path, bool log_x) {
  Plot plot{std::move(title), std::move(x_label), "", log_x, {}};
  for (const Json& model : results.at("models")) {
    const Json& tasks = model.at("tasks");
    const Json& x = at(model, x_path);
    if (tasks.empty() || !x.is_number() || x.get<double>() <= 0) continue;
    const std::string primary = text_at(tasks[0], {"primary"});
    const Json& metric = at(tasks[0], {"metrics", primary});
    if (!at(metric, {"value"}).is_number()) continue;
    plot.y_label = primary + ", %";
    plot.points.push_back({model.at("name").get<std::string>(), x.get<double>(),
                           100 * metric.at("value").get<double>(),
                           100 * metric.at("low").get<double>(),
                           100 * metric.at("high").get<double>(), false});
  }
  return plot;
}

std::string plots(const Json& results) {
  std::string out;
  const auto add = [&](Plot plot, bool small_x, const char* caption) {
    if (plot.points.size() < 2) return;
    mark_frontier(plot.points, small_x);
    out += "<figure>" + plot_svg(plot) + "<figcaption>" + caption + "</figcaption></figure>";
  };
  add(accuracy_plot(results, "Accuracy against size", "bytes on disk", {"bytes"}, true), true,
      "Accuracy against size, with 95 % intervals. Filled: no other model is both smaller and "
      "better.");
  add(accuracy_plot(results, "Accuracy against speed", "task items per second", {"items_per_s"},
                    true),
      false, "Accuracy against speed. Filled: no other model is both faster and better.");
  add(accuracy_plot(results, "Accuracy against bits", "bits per weight", {"bits_per_weight"},
                    false),
      true, "Accuracy against bits per weight.");
  return out.empty() ? "" : "<h2>Trade-offs</h2><div class=\"plots\">" + out + "</div>";
}

std::string model_headers(const Json& results) {
  std::string out;
  for (const Json& model : results.at("models"))
    out += "<th scope=\"col\">" + html_escape(model.at("name").get<std::string>()) + "</th>";
  return out;
}

std::string classes(const Json& results) {
  const Json& rows = at(results, {"classes"});
  if (!rows.is_array() || rows.empty()) return {};
  std::string out =
      "<h2>By class or field</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"By class\"><table><thead><tr><th scope=\"col\">class</th><th "
      "scope=\"col\">n</th>" +
      model_headers(results) + "</tr></thead><tbody>";
  for (const Json& row : rows) {
    out += "<tr><th scope=\"row\">" + html_escape(text_at(row, {"class"})) + "</th><td>" +
           count(at(row, {"n"})) + "</td>";
    for (const Json& recall : at(row, {"recall"})) out += "<td>" + percent(recall) + "</td>";
    out += "</tr>";
  }
  return out +
         "</tbody></table></div><p class=\"note\">Share of the test items of each class that were "
         "right, in percent.</p>";
}

std::string confusions(const Json& results) {
  const Json& rows = at(results, {"confusions"});
  if (!rows.is_array() || rows.empty()) return {};
  std::string out =
      "<h2>Most frequent confusions</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"Confusions\"><table><thead><tr><th scope=\"col\">model</th><th "
      "scope=\"col\" class=\"left\">gold</th><th scope=\"col\" class=\"left\">answered</th><th "
      "scope=\"col\">n</th></tr></thead><tbody>";
  for (const Json& row : rows) {
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"left\">{}</td><td "
        "class=\"left\">{}</td><td>{}</td></tr>",
        html_escape(text_at(row, {"model"})), html_escape(text_at(row, {"gold"})),
        html_escape(text_at(row, {"predicted"})), count(at(row, {"n"})));
  }
  return out + "</tbody></table></div>";
}

std::string disagreements(const Json& results) {
  const Json& rows = at(results, {"disagreements"});
  if (!rows.is_array() || rows.empty()) return {};
  std::string out =
      "<h2>Where the models disagree</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"Disagreements\"><table><thead><tr><th scope=\"col\" "
      "class=\"left\">input</th><th "
      "scope=\"col\" class=\"left\">gold</th>" +
      model_headers(results) + "</tr></thead><tbody>";
  for (const Json& row : rows) {
    out += "<tr><td class=\"left\">" + html_escape(text_at(row, {"input"})) +
           "</td><td class=\"left\">" + html_escape(text_at(row, {"gold"})) + "</td>";
    for (const Json& answer : at(row, {"answers"})) {
      const Json& right = at(answer, {"right"});
      const bool is_right = right.is_boolean() && right.get<bool>();
      out +=
          fmt::format("<td class=\"left {}\">{} {}</td>", is_right ? "right" : "wrong",
                      is_right ? "&#10003;" : "&#10007;", html_escape(text_at(answer, {"answer"})));
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>";
}

std::string not_measured(const Json& results) {
  std::string out;
  for (const Json& model : results.at("models")) {
    for (const auto& [what, why] : at(model, {"not_measured"}).items()) {
      out += fmt::format("<li>{} of {}: {}</li>", html_escape(what),
                         html_escape(model.at("name").get<std::string>()),
                         html_escape(why.is_string() ? why.get<std::string>() : why.dump()));
    }
  }
  if (out.empty()) out = "<li>Everything the table has a row for was measured on every model.</li>";
  return "<h2>What was not measured</h2><ul>" + out + "</ul>";
}

std::string reproduction(const Json& results) {
  std::string out = "<h2>How to reproduce</h2><pre>" + html_escape(text_at(results, {"command"})) +
                    "</pre><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                    "aria-label=\"Files\"><table><thead><tr><th scope=\"col\">model</th><th "
                    "scope=\"col\">file</th><th scope=\"col\">SHA-256</th></tr></thead><tbody>";
  for (const Json& model : results.at("models")) {
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"left\">{}</td><td class=\"left\">{}</td></tr>",
        html_escape(model.at("name").get<std::string>()), html_escape(text_at(model, {"path"})),
        html_escape(text_at(model, {"sha256"})));
  }
  const Json& machine = at(results, {"machine"});
  return out +
         fmt::format(
             "</tbody></table></div><p class=\"note\">{}; {} threads of {} cores; {} memory; "
             "kernels {}; {}; seed {}; made {}.</p>",
             html_escape(text_at(machine, {"cpu"})), html_escape(text_at(machine, {"threads"})),
             html_escape(text_at(machine, {"cores"})), bytes(at(machine, {"memory_bytes"})),
             html_escape(text_at(machine, {"kernels"})), html_escape(text_at(machine, {"program"})),
             html_escape(text_at(results, {"seed"})), html_escape(text_at(results, {"created"})));
}

}  // namespace

std::string html_page(const Json& results) {
  const std::string task = text_at(results, {"task", "name"});
  const std::string title = task.empty() ? "Model comparison" : "Model comparison: " + task;
  std::string reasons;
  for (const Json& reason : at(results, {"verdict", "reasons"}))
    reasons += "<li>" + html_escape(reason.get<std::string>()) + "</li>";
  std::string sample;
  if (!task.empty()) {
    sample = fmt::format(
        "<p class=\"note\">95 % intervals over n = {} test items; differences are paired on the "
        "same items, against the first model. In brackets: the factor against the first model.</p>",
        count(at(results, {"task", "n"})));
  }
  return fmt::format(
             "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
             "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
             "'unsafe-inline'\">"
             "<meta name=\"viewport\" content=\"width=device-width, "
             "initial-scale=1\"><title>{}</title><style>{}</style></head><body><main>",
             html_escape(title), kStyle) +
         fmt::format(
             "<h1>{}</h1><p class=\"sub\">{}</p><section class=\"verdict\" "
             "aria-label=\"Verdict\"><p>{}</p><p><span class=\"badge\">{}</span></p></section>",
             html_escape(title),
             "Size, speed, accuracy, general ability and training, measured side by side by "
             "limbeck.",
             html_escape(text_at(results, {"verdict", "sentence"})),
             html_escape(text_at(results, {"verdict", "confidence"}))) +
         "<h2>The seven dimensions</h2>" + main_table(results) + sample +
         (reasons.empty() ? "" : "<ul>" + reasons + "</ul>") + plots(results) + classes(results) +
         confusions(results) + disagreements(results) + not_measured(results) +
         reproduction(results) + "</main></body></html>\n";
}

}  // namespace limbeck::report

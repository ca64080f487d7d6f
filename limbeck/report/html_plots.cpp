// The plots of the report.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "limbeck/report/html_parts.h"
#include "limbeck/report/results.h"
#include "limbeck/report/svg.h"

namespace limbeck::report {
namespace {

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

Way way_of_model(const Json& model) { return way_of(text_of(at(model, {"role"}))); }

// The primary metric of the first task in percent, against one number of the model; false if either
// was not measured.
bool accuracy_point(const Json& model, std::initializer_list<std::string_view> x_path,
                    PlotPoint& point) {
  const Json& tasks = at(model, {"tasks"});
  const Json& x = at(model, x_path);
  if (!tasks.is_array() || tasks.empty() || !x.is_number() || x.get<double>() <= 0) return false;
  const Json& metric = at(tasks[0], {"metrics", text_of(at(tasks[0], {"primary"}))});
  if (!at(metric, {"value"}).is_number() || !std::isfinite(x.get<double>())) return false;
  point = {text_of(at(model, {"name"})),
           x.get<double>(),
           100 * metric.at("value").get<double>(),
           100 * metric.at("low").get<double>(),
           100 * metric.at("high").get<double>(),
           way_of_model(model),
           false};
  return true;
}

std::string metric_label(const Json& results) {
  std::string metric = text_of(at(results, {"task", "metric"}));
  std::ranges::replace(metric, '_', ' ');
  return metric.empty() ? "score, %" : metric + ", %";
}

Plot accuracy_plot(const Json& results, std::string id, std::string title, std::string x_label,
                   std::string unit, std::initializer_list<std::string_view> x_path) {
  Plot plot;
  plot.id = std::move(id), plot.title = std::move(title), plot.x_label = std::move(x_label);
  plot.x_unit = std::move(unit), plot.y_label = metric_label(results);
  for (const Json& model : results.at("models")) {
    PlotPoint point;
    if (accuracy_point(model, x_path, point)) plot.points.push_back(std::move(point));
  }
  return plot;
}

// Each original with the forms quantized from it, joined by a line.
Plot bits_plot(const Json& results) {
  Plot plot;
  plot.id = "p-bits", plot.title = "Accuracy against bits", plot.log_x = false;
  plot.x_label = "bits per weight", plot.y_label = metric_label(results);
  std::map<std::string, std::vector<PlotPoint>> families;
  for (const Json& model : results.at("models")) {
    PlotPoint point;
    if (!accuracy_point(model, {"bits_per_weight"}, point)) continue;
    const std::string base = text_of(at(model, {"base"}));
    families[base.empty() ? point.label : base].push_back(point);
  }
  for (auto& [base, points] : families) {
    if (points.size() < 2) continue;
    std::ranges::sort(points, {}, &PlotPoint::x);
    PlotLine line{base, points.back().way, {}};
    for (const PlotPoint& point : points) line.points.emplace_back(point.x, point.y);
    plot.lines.push_back(std::move(line));
    plot.points.insert(plot.points.end(), points.begin(), points.end());
  }
  for (PlotPoint& point : plot.points) point.filled = true, point.named = false;
  return plot;
}

Plot curves_plot(const Json& results) {
  Plot plot;
  plot.id = "p-curve", plot.title = "Training", plot.log_x = false, plot.log_y = true;
  plot.x_label = "tokens seen", plot.y_label = "loss, nats a token";
  std::set<std::string> seen;  // quantized forms carry the curve of their original
  for (const Json& model : results.at("models")) {
    const Json& curve = at(model, {"training_curve"});
    if (!curve.is_array() || curve.size() < 2) continue;
    PlotLine line{text_of(at(model, {"name"})), way_of_model(model), {}};
    for (const Json& point : curve) {
      const Json &tokens = at(point, {"tokens"}), &loss = at(point, {"loss"});
      if (tokens.is_number() && loss.is_number() && loss.get<double>() > 0)
        line.points.emplace_back(tokens.get<double>(), loss.get<double>());
    }
    if (line.points.size() > 1 && seen.insert(line.label).second)
      plot.lines.push_back(std::move(line));
  }
  return plot;
}

// Where many points would hide each other's names, only the first model and the frontier have one.
void name_what_fits(Plot& plot) {
  if (plot.points.size() <= 5) return;
  for (PlotPoint& point : plot.points) point.named = point.frontier;
  plot.points.front().named = true;
}

std::string figure(const Plot& plot, const std::string& caption) {
  return fmt::format("<figure><h3>{}</h3>{}<figcaption>{}</figcaption></figure>",
                     html_escape(plot.title), plot_svg(plot), caption);
}

std::string legend(const Json& results) {
  std::set<Way> ways;
  for (const Json& model : results.at("models")) ways.insert(way_of_model(model));
  std::string out = "<ul class=\"legend\" aria-label=\"Marks\">";
  for (const Way way : ways) {
    out += fmt::format("<li><svg viewBox=\"0 0 18 18\" aria-hidden=\"true\">{}</svg>{}</li>",
                       mark_svg(way, 9, 9, true), name(way));
  }
  return out + "</ul>";
}

}  // namespace

std::string plots_section(const Json& results) {
  std::string out;
  Plot size =
      accuracy_plot(results, "p-size", "Accuracy against size", "size on disk", "B", {"bytes"});
  if (size.points.size() > 1) {
    mark_frontier(size.points, true);
    name_what_fits(size);
    out += figure(size,
                  "Bars: 95 % intervals. Filled and joined: no other model is both smaller "
                  "and at least as good.");
  }
  Plot speed = accuracy_plot(results, "p-speed", "Accuracy against speed", "task items a second",
                             "", {"items_per_s"});
  if (speed.points.size() > 1) {
    mark_frontier(speed.points, false);
    name_what_fits(speed);
    out += figure(speed, "Filled and joined: no other model is both faster and at least as good.");
  }
  if (const Plot bits = bits_plot(results); bits.points.size() > 1)
    out += figure(bits,
                  "Each model and its quantized forms, joined. What is kept of 16 bits, and "
                  "where it breaks.");
  if (const Plot curves = curves_plot(results); !curves.lines.empty())
    out += figure(curves,
                  "The training loss of each model that was trained here, on the tokens it "
                  "was trained on. Losses of different kinds of training do not compare.");
  if (out.empty()) return {};
  return "<h2 id=\"plots\">Trade-offs</h2>" + legend(results) + "<div class=\"plots\">" + out +
         "</div>";
}

}  // namespace limbeck::report

#include "limbeck/report/results.h"

#include <fmt/core.h>

#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"

namespace limbeck::report {
namespace {

bool is_number(const Json& value) {
  return value.is_number() && std::isfinite(value.get<double>());
}

void need(bool ok, std::string_view origin, std::string_view path, std::string_view what) {
  if (!ok) fail(ErrorKind::format, "{}: {} must be {}", origin, path, what);
}

}  // namespace

void check_results(const Json& results, std::string_view origin) {
  need(results.is_object() && at(results, {"schema"}) == kSchema, origin, "schema",
       fmt::format("\"{}\"", kSchema));
  const Json& models = at(results, {"models"});
  need(models.is_array() && !models.empty(), origin, "models", "a list of at least one model");
  for (std::size_t i = 0; i < models.size(); ++i) {
    const auto path = [&](std::string_view key) { return fmt::format("models[{}].{}", i, key); };
    need(models[i].is_object(), origin, path(""), "an object");
    need(at(models[i], {"name"}).is_string(), origin, path("name"), "a string");
    need(at(models[i], {"bytes"}).is_number() || at(models[i], {"bytes"}).is_null(), origin,
         path("bytes"), "a number or null");
    for (const char* list : {"tasks", "texts"}) {
      need(at(models[i], {list}).is_array(), origin, path(list), "a list");
    }
  }
  need(at(results, {"machine"}).is_object(), origin, "machine", "an object");
  need(at(results, {"verdict", "sentence"}).is_string(), origin, "verdict.sentence", "a string");
}

const Json& at(const Json& json, std::initializer_list<std::string_view> path) {
  static const Json null;
  const Json* here = &json;
  for (const std::string_view key : path) {
    if (!here->is_object()) return null;
    const auto found = here->find(std::string(key));
    if (found == here->end()) return null;
    here = &*found;
  }
  return *here;
}

const Json& first_task(const Json& model) {
  static const Json null;
  const Json& tasks = at(model, {"tasks"});
  return tasks.is_array() && !tasks.empty() ? tasks[0] : null;
}

std::string percent(const Json& value) {
  return is_number(value) ? fmt::format("{:.1f}", 100 * value.get<double>()) : "-";
}

std::string percent_interval(const Json& value) {
  if (!is_number(at(value, {"value"}))) return "-";
  return fmt::format("{} ({}-{})", percent(at(value, {"value"})), percent(at(value, {"low"})),
                     percent(at(value, {"high"})));
}

std::string number(const Json& value, int digits) {
  if (!is_number(value)) return "-";
  const double x = value.get<double>();
  if (std::abs(x) >= 1000 && digits <= 1) return human_count(x);
  return fmt::format("{:.{}f}", x, digits);
}

std::string interval(const Json& value, int digits) {
  if (!is_number(at(value, {"value"}))) return "-";
  if (!is_number(at(value, {"low"}))) return number(at(value, {"value"}), digits);
  return fmt::format("{} ({}-{})", number(at(value, {"value"}), digits),
                     number(at(value, {"low"}), digits), number(at(value, {"high"}), digits));
}

std::string difference(const Json& value) {
  if (!is_number(at(value, {"value"}))) return "-";
  const auto points = [&](std::string_view key) {
    return fmt::format("{:+.1f}", 100 * at(value, {key}).get<double>());
  };
  return fmt::format("{} ({}..{})", points("value"), points("low"), points("high"));
}

std::string bytes(const Json& value) {
  return is_number(value) ? human_bytes(value.get<double>()) : "-";
}
std::string count(const Json& value) {
  return is_number(value) ? human_count(value.get<double>()) : "-";
}

std::string p_value(const Json& value) {
  if (!is_number(value)) return "-";
  const double p = value.get<double>();
  return p < 0.001 ? "< 0.001" : fmt::format("{:.3f}", p);
}

}  // namespace limbeck::report

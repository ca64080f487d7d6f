#include "limbeck/report/verdict.h"

#include <fmt/core.h>

#include <vector>

#include "limbeck/report/results.h"

namespace limbeck::report {
namespace {

enum class Quality { keeps, undecided, worse, unknown };

const Json& first_task(const Json& model) {
  static const Json null;
  const Json& tasks = at(model, {"tasks"});
  return tasks.is_array() && !tasks.empty() ? tasks[0] : null;
}

double size_of(const Json& model) {
  const Json& bytes = at(model, {"bytes"});
  return bytes.is_number() ? bytes.get<double>() : 0;
}

Quality quality(const Json& model) {
  const Json& difference = at(first_task(model), {"difference"});
  const Json &low = at(difference, {"low"}), &high = at(difference, {"high"});
  if (!low.is_number() || !high.is_number()) return Quality::unknown;
  if (low.get<double>() >= -kMargin) return Quality::keeps;
  if (high.get<double>() < 0) return Quality::worse;
  return Quality::undecided;
}

std::string describe(const Json& model, const Json& first) {
  const std::string name = model.at("name").get<std::string>();
  const std::string score = percent_interval(
      at(first_task(model), {"metrics", at(first_task(model), {"primary"}).get<std::string>()}));
  const double factor = size_of(model) > 0 ? size_of(first) / size_of(model) : 0;
  switch (quality(model)) {
    case Quality::keeps:
      return fmt::format("{}: {}, {:.1f}x smaller, within {:.0f} points of the original", name,
                         score, factor, 100 * kMargin);
    case Quality::worse:
      return fmt::format("{}: {}, {:.1f}x smaller, worse: {} points", name, score, factor,
                         difference(at(first_task(model), {"difference"})));
    case Quality::undecided:
      return fmt::format("{}: {}, {:.1f}x smaller, the difference of {} points is within the noise",
                         name, score, factor, difference(at(first_task(model), {"difference"})));
    case Quality::unknown:
      break;
  }
  return fmt::format("{}: not measured on the task", name);
}

Json result(std::string sentence, std::string_view confidence, Json reasons) {
  return {{"sentence", std::move(sentence)},
          {"confidence", confidence},
          {"reasons", std::move(reasons)}};
}

}  // namespace

Json verdict(const Json& results) {
  const Json& models = at(results, {"models"});
  if (!models.is_array() || models.empty())
    return result("Nothing was compared.", "not measured", Json::array());
  const Json& first = models[0];
  if (first_task(first).is_null()) {
    return result("No task was given, so only size, speed and text were measured: see the table.",
                  "not measured", Json::array());
  }
  Json reasons = Json::array();
  const Json* keeper = nullptr;     // the smallest model that keeps the original's quality
  const Json* candidate = nullptr;  // the smallest one that may
  for (const Json& model : models) {
    if (&model == &first) continue;
    reasons.push_back(describe(model, first));
    const Quality q = quality(model);
    if (q == Quality::keeps && (!keeper || size_of(model) < size_of(*keeper))) keeper = &model;
    if (q == Quality::undecided && (!candidate || size_of(model) < size_of(*candidate)))
      candidate = &model;
  }
  const std::string task = at(first_task(first), {"task"}).is_string()
                               ? first_task(first).at("task").get<std::string>()
                               : "the task";
  if (keeper) {
    return result(
        fmt::format("For {}, use {}: {:.1f}x smaller than {} ({} against {}), and its score is "
                    "within {:.0f} points of it at 95 % confidence.",
                    task, keeper->at("name").get<std::string>(), size_of(first) / size_of(*keeper),
                    first.at("name").get<std::string>(), bytes(at(*keeper, {"bytes"})),
                    bytes(at(first, {"bytes"})), 100 * kMargin),
        "measured", reasons);
  }
  if (candidate) {
    return result(
        fmt::format("For {}, {} ({:.1f}x smaller) may do, but {} test items cannot tell its score "
                    "from that of {} within {:.0f} points: test more items.",
                    task, candidate->at("name").get<std::string>(),
                    size_of(first) / size_of(*candidate), count(at(first_task(first), {"n"})),
                    first.at("name").get<std::string>(), 100 * kMargin),
        "within the noise", reasons);
  }
  if (models.size() == 1)
    return result("One model was measured; there is nothing to compare it with.", "measured",
                  reasons);
  return result(fmt::format("For {}, stay with {}: every smaller model measured here is worse.",
                            task, first.at("name").get<std::string>()),
                "measured", reasons);
}

}  // namespace limbeck::report

#include "limbeck/report/verdict.h"

#include <fmt/core.h>

#include <vector>

#include "limbeck/report/results.h"

namespace limbeck::report {
namespace {

constexpr double kGiveUp = 0.1;  // of the score, for the alternative

enum class Quality { keeps, undecided, worse, unknown };

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

// "3.1x smaller (3.54 MB against 11.0 MB)"; empty where a size is unknown.
std::string size_text(const Json& model, const Json& first, bool with_bytes) {
  const double here = size_of(model), there = size_of(first);
  if (here <= 0 || there <= 0) return {};
  const std::string factor = there >= here ? fmt::format("{:.1f}x smaller", there / here)
                                           : fmt::format("{:.1f}x larger", here / there);
  return with_bytes ? fmt::format("{} than {} ({} against {})", factor,
                                  first.at("name").get<std::string>(), bytes(at(model, {"bytes"})),
                                  bytes(at(first, {"bytes"})))
                    : factor;
}

std::string describe(const Json& model, const Json& first) {
  const std::string name = model.at("name").get<std::string>();
  const Json& task = first_task(model);
  const Json& primary = at(task, {"primary"});
  if (!primary.is_string()) return fmt::format("{}: not measured on the task", name);
  const std::string score = percent_interval(at(task, {"metrics", primary.get<std::string>()})),
                    size = size_text(model, first, false),
                    change = difference(at(task, {"difference"}));
  const std::string begin = fmt::format("{}: {} %{}", name, score, size.empty() ? "" : ", " + size);
  switch (quality(model)) {
    case Quality::keeps:
      return fmt::format("{}, within {:.0f} points of the original ({})", begin, 100 * kMargin,
                         change);
    case Quality::worse:
      return fmt::format("{}, worse: {} points", begin, change);
    case Quality::undecided:
      return fmt::format("{}, the difference of {} points is within the noise", begin, change);
    case Quality::unknown:
      break;
  }
  return begin + ", nothing to compare it with";
}

// `model` is the one the sentence names; null: none.
Json result(std::string sentence, std::string_view confidence, Json reasons,
            const Json* model = nullptr) {
  return {{"sentence", std::move(sentence)},
          {"confidence", confidence},
          {"model", model ? model->at("name") : Json()},
          {"alternative", nullptr},
          {"reasons", std::move(reasons)}};
}

// What a few points more would buy: the smallest model at most kGiveUp worse, where it is much
// smaller than the one chosen.
Json alternative_to(const Json& chosen, const Json& models, const Json& first) {
  const Json* best = nullptr;
  for (const Json& model : models) {
    const Json& low = at(first_task(model), {"difference", "low"});
    if (size_of(model) <= 0 || !low.is_number() || low.get<double>() < -kGiveUp) continue;
    if (1.5 * size_of(model) > size_of(chosen)) continue;
    if (!best || size_of(model) < size_of(*best)) best = &model;
  }
  if (!best) return nullptr;
  return fmt::format("{} is {} ({}) at {} points of the score.",
                     best->at("name").get<std::string>(), size_text(*best, first, false),
                     bytes(at(*best, {"bytes"})),
                     difference(at(first_task(*best), {"difference"})));
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
  bool any_worse = false;
  const auto smaller = [&](const Json& model, const Json* than) {
    return size_of(model) > 0 && size_of(model) < size_of(than ? *than : first);
  };
  for (const Json& model : models) {
    if (&model == &first) continue;
    reasons.push_back(describe(model, first));
    const Quality q = quality(model);
    any_worse = any_worse || q == Quality::worse;
    if (q == Quality::keeps && smaller(model, keeper)) keeper = &model;
    if (q == Quality::undecided && smaller(model, candidate)) candidate = &model;
  }
  const std::string task = at(first_task(first), {"task"}).is_string()
                               ? first_task(first).at("task").get<std::string>()
                               : "the task";
  const std::string stay = first.at("name").get<std::string>();
  if (keeper) {
    Json verdict =
        result(fmt::format("For {}, use {}: {}, and its score is within {:.0f} points of it at "
                           "95 % confidence.",
                           task, keeper->at("name").get<std::string>(),
                           size_text(*keeper, first, true), 100 * kMargin),
               "measured", reasons, keeper);
    verdict["alternative"] = alternative_to(*keeper, models, first);
    return verdict;
  }
  if (candidate) {
    return result(
        fmt::format("For {}, {} ({}) may do, but {} test items cannot tell its score from that of "
                    "{} within {:.0f} points: test more items.",
                    task, candidate->at("name").get<std::string>(),
                    size_text(*candidate, first, false), count(at(first_task(first), {"n"})), stay,
                    100 * kMargin),
        "within the noise", reasons, candidate);
  }
  if (models.size() == 1)
    return result("One model was measured; there is nothing to compare it with.", "measured",
                  reasons);
  if (size_of(first) <= 0)
    return result(fmt::format("The size of {} is not known, so no model here can be called "
                              "smaller: see the scores.",
                              stay),
                  "not measured", reasons);
  if (!any_worse)
    return result(
        fmt::format("For {}, nothing smaller than {} was measured on the task.", task, stay),
        "not measured", reasons);
  return result(
      fmt::format("For {}, stay with {}: every smaller model measured here is worse.", task, stay),
      "measured", reasons, &first);
}

}  // namespace limbeck::report

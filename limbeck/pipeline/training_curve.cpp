#include "limbeck/pipeline/training_curve.h"

#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/format/rows.h"
#include "limbeck/report/results.h"

namespace limbeck::pipeline {
namespace {

constexpr std::size_t kPoints = 200;

// Where the trainer's metrics of a model may lie: of `limbeck run`, `distill` and `train`.
std::filesystem::path metrics_of(const std::filesystem::path& given) {
  std::filesystem::path model = std::filesystem::absolute(given).lexically_normal();
  if (!model.has_filename()) model = model.parent_path();
  const std::string name = model.filename().string();
  for (const auto& path :
       {model.parent_path().parent_path() / "checkpoints" / name / "metrics.jsonl",
        std::filesystem::path(model.string() + ".work") / "checkpoints" / "metrics.jsonl",
        std::filesystem::path(model.string() + ".metrics.jsonl")}) {
    if (std::filesystem::is_regular_file(path)) return path;
  }
  return {};
}

}  // namespace

Json training_curve_of(const std::filesystem::path& model) {
  Json points = Json::array();
  const std::filesystem::path path = metrics_of(model);
  if (path.empty()) return points;
  std::vector<Json> steps;
  try {
    for (Row& row : read_jsonl(path.string())) {
      if (report::at(row.value, {"tokens"}).is_number() &&
          report::at(row.value, {"loss"}).is_number())
        steps.push_back(std::move(row.value));
    }
  } catch (const Error&) {
    return points;  // a curve is no reason to stop a comparison
  }
  const std::size_t group = (steps.size() + kPoints - 1) / kPoints;
  for (std::size_t begin = 0; begin < steps.size(); begin += group) {
    const std::size_t end = std::min(steps.size(), begin + group);
    double loss = 0, soft = 0;
    std::size_t n_soft = 0;
    for (std::size_t i = begin; i < end; ++i) {
      loss += steps[i].at("loss").get<double>();
      if (const Json& value = report::at(steps[i], {"soft"}); value.is_number())
        soft += value.get<double>(), ++n_soft;
    }
    Json point = {{"tokens", steps[end - 1].at("tokens")},
                  {"loss", loss / static_cast<double>(end - begin)}};
    if (n_soft > 0) point["soft"] = soft / static_cast<double>(n_soft);
    points.push_back(std::move(point));
  }
  return points;
}

}  // namespace limbeck::pipeline

#include "limbeck/distill/metrics_log.h"

#include <string>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"

namespace limbeck::distill {
namespace {

std::string lines_up_to(const std::filesystem::path& file, std::int64_t step) {
  std::ifstream in(file);
  std::string line, kept;
  while (std::getline(in, line)) {
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_object() && json.value("step", std::int64_t{0}) <= step) kept += line + '\n';
  }
  return kept;
}

}  // namespace

void MetricsLog::open(const std::filesystem::path& file, std::int64_t step, bool events) {
  write_file(file, step > 0 ? lines_up_to(file, step) : std::string());
  file_.open(file, std::ios::app);
  if (!file_) fail(ErrorKind::io, "{}: cannot be written", file.string());
  if (!events) return;
  auto folder = file;
  folder.replace_extension(".tensorboard");
  std::error_code ignored;
  if (step == 0) std::filesystem::remove_all(folder, ignored);
  events_.emplace(folder, step + 1);
}

void MetricsLog::add(const Json& line) {
  if (!file_.is_open()) return;
  file_ << to_text(line) << '\n' << std::flush;
  if (!events_) return;
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [name, value] : line.items()) {
    if (name != "step" && value.is_number()) scalars.emplace_back(name, value.get<double>());
  }
  events_->add(line.at("step").get<std::int64_t>(), scalars);
}

}  // namespace limbeck::distill

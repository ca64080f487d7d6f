#include "limbeck/pipeline/measurement_cache.h"

#include <unistd.h>

#include <cstdlib>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"
#include "limbeck/pipeline/compare.h"
#include "limbeck/report/results.h"

namespace limbeck::pipeline {
namespace {

constexpr std::string_view kSchema = "limbeck.measured/1";
const JsonLimits kLimits{.bytes = std::size_t{256} << 20};

std::string program_hash() {
  try {
    return sha256_file("/proc/self/exe");
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

std::filesystem::path default_cache() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const std::string cache = variable("XDG_CACHE_HOME"); cache.starts_with('/'))
    return std::filesystem::path(cache) / "limbeck";
  if (const std::string home = variable("HOME"); home.starts_with('/'))
    return std::filesystem::path(home) / ".cache" / "limbeck";
  return fmt::format("/tmp/limbeck-cache-{}", ::getuid());
}

MeasurementCache::MeasurementCache(std::filesystem::path folder)
    : folder_(std::move(folder)), program_(folder_.empty() ? "" : program_hash()) {}

Json MeasurementCache::get(std::string_view what, const Json& depends_on,
                           const std::function<Json()>& measure) const {
  if (folder_.empty()) return measure();
  const std::string key = sha256_hex(to_text({what, program_, depends_on}));
  const auto path = folder_ / "measured" / (key + ".json");
  if (std::filesystem::exists(path)) {
    try {
      Json kept = read_json_file(path.string(), kLimits);
      if (report::at(kept, {"schema"}) == kSchema && kept.contains("value")) {
        say_verbose(fmt::format("{}: measured before ({})", what, path.string()));
        return kept.at("value");
      }
    } catch (const Error&) {
      // Damaged: measured again, and replaced.
    }
  }
  Json value = measure();
  write_file(path, to_text({{"schema", kSchema}, {"what", what}, {"value", value}}) + "\n");
  return value;
}

}  // namespace limbeck::pipeline

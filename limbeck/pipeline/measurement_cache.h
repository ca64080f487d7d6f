// What was measured before, by the hash of all it depends on: one JSON file each, so that a killed
// comparison loses no more than the measurement it was in.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck::pipeline {

class MeasurementCache {
 public:
  // `folder` empty: everything is measured, nothing kept.
  explicit MeasurementCache(std::filesystem::path folder);

  // The value kept under `what` and `depends_on` (and this very program), else of `measure`, kept
  // when it returns. A damaged file counts as absent.
  Json get(std::string_view what, const Json& depends_on,
           const std::function<Json()>& measure) const;

  const std::filesystem::path& folder() const noexcept { return folder_; }

 private:
  std::filesystem::path folder_;
  std::string program_;  // SHA-256 of the running program: another build measures anew
};

}  // namespace limbeck::pipeline

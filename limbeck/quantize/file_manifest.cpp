#include "limbeck/quantize/file_manifest.h"

#include <fmt/core.h>

#include <cstdlib>

namespace limbeck {

Json compact_records(const Json& records) {
  Json methods = Json::array(), errors = Json::array();
  for (const Json& record : records) {
    const Json& method = record.at("method");
    if (methods.empty() || methods.back()[0] != method) methods.push_back({method, 0});
    methods.back()[1] = methods.back()[1].get<int>() + 1;
    const double error = record.at("error").get<double>();
    if (error == 0) {
      errors.push_back(0);
    } else {
      errors.push_back(std::strtod(fmt::format("{:.3g}", error).c_str(), nullptr));
    }
  }
  return {{"methods", std::move(methods)}, {"errors", std::move(errors)}};
}

}  // namespace limbeck

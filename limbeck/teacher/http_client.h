// One HTTP POST with every limit set, by libcurl. https://curl.se/libcurl/c/
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/limits.h"

namespace limbeck {

struct HttpReply {
  long status = 0;  // 0: there was no whole reply
  std::string body;
  std::optional<double> retry_after_s;  // from seconds or a date
  std::string failure;                  // why there was none: "Timeout was reached", ...
};

struct HttpLimits {
  double timeout_s = static_cast<double>(limits().reply_seconds);
  std::size_t reply_bytes = limits().reply_bytes;
};

// Redirects are not followed, compressed replies not asked for, certificates checked. `cancelled`
// is asked while waiting. Throws Error{network} only if libcurl cannot start.
HttpReply http_post(const std::string& url, const std::vector<std::string>& headers,
                    const std::string& body, const HttpLimits& limits,
                    const std::function<bool()>& cancelled = {});

}  // namespace limbeck

#include "limbeck/text/format_pattern.h"

namespace limbeck {

std::string_view format_pattern(std::string_view format) noexcept {
  struct Row {
    std::string_view format, pattern;
  };
#define LIMBECK_DATE                                                                             \
  "(\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|" \
  "1\\d|2[0-8]))|(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
#define LIMBECK_TIME \
  "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
#define LIMBECK_LABEL "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
#define LIMBECK_OCTET "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
  // RFC 3339 without leap seconds, RFC 5321 mailboxes without quoting, RFC 4122, dotted quads.
  static constexpr Row kRows[] = {
      {"date", "^" LIMBECK_DATE "$"},
      {"time", "^" LIMBECK_TIME "$"},
      {"date-time", "^" LIMBECK_DATE "T" LIMBECK_TIME "$"},
      {"email", "^[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@" LIMBECK_LABEL "(\\." LIMBECK_LABEL ")+$"},
      {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
      {"ipv4", "^(" LIMBECK_OCTET "\\.){3}" LIMBECK_OCTET "$"},
  };
#undef LIMBECK_DATE
#undef LIMBECK_TIME
#undef LIMBECK_LABEL
#undef LIMBECK_OCTET
  for (const Row& row : kRows)
    if (row.format == format) return row.pattern;
  return {};
}

}  // namespace limbeck

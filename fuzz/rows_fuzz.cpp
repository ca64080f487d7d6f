// The first byte picks the format. Limits are within reach of small inputs.
#include "fuzz/target.h"
#include "limbeck/base/limits.h"
#include "limbeck/format/rows.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  if (size == 0) return 0;
  static const bool limited =
      (set_limit("rows.line_bytes=1000"), set_limit("rows.columns=50"), true);
  fuzz::require(limited, "limits");
  return fuzz::value_or_error([&] {
    const auto text = fuzz::as_text(data + 1, size - 1);
    const auto rows = data[0] == 'j'   ? parse_jsonl(text, "fuzz")
                      : data[0] == 'a' ? parse_json_rows(text, "fuzz")
                      : data[0] == 't' ? parse_delimited(text, '\t', "fuzz")
                                       : parse_delimited(text, ',', "fuzz");
    for (const Row& row : rows) {
      fuzz::require(row.value.is_object() && (row.line > 0 || data[0] == 'a'), "rows");
    }
  });
}

#include <utility>

#include "limbeck/base/atomic_file.h"
#include "limbeck/format/rows.h"

namespace limbeck {

void write_jsonl(const std::filesystem::path& path, const std::vector<Json>& rows) {
  AtomicFile file(path);
  std::string buffer;
  for (const Json& row : rows) {
    buffer += to_text(row) + '\n';
    if (buffer.size() > (1u << 20)) file.write(std::exchange(buffer, {}));
  }
  file.write(buffer);
  file.commit();
}

std::string csv_cell(std::string_view text) {
  constexpr std::string_view kFormula = "=+-@\t\r", kQuoted = ",\"\n\r";
  std::string cell(text);
  if (!text.empty() && kFormula.find(text[0]) != kFormula.npos) cell.insert(0, 1, '\'');
  if (cell.find_first_of(kQuoted) == cell.npos) return cell;
  std::string out = "\"";
  for (const char c : cell) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace limbeck

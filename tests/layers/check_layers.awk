# First ARCHITECTURE.md, whose table says who may include whom, then the sources.
function complain(text) {
  print text > "/dev/stderr"
  failed = 1
}
function check_length() {
  if (lines > 600) complain(name ": " lines " lines; the limit is 600")
}
FNR == 1 {
  check_length()
  name = FILENAME
  lines = 0
  split(name, parts, "/")
  module = parts[2]
}
name == "ARCHITECTURE.md" {
  if ($0 ~ /^\| `[a-z]+` \|/) {
    split($0, cells, "|")
    gsub(/[` ]/, "", cells[2])
    gsub(/`/, " ", cells[3])
    n = split(cells[3], names, " ")
    known[cells[2]] = 1
    allowed[cells[2], cells[2]] = 1
    for (i = 1; i <= n; ++i) allowed[cells[2], names[i]] = 1
  }
  next
}
{ ++lines }
FNR == 1 && !(module in known) { complain(name ": ARCHITECTURE.md has no row for " module) }
/^#include "limbeck\// {
  split($0, path, "/")
  if (!((module, path[2]) in allowed)) complain(name ":" FNR ": " module " may not include " path[2])
}
/^#include <torch\// && module != "distill" { complain(name ":" FNR ": only distill may include torch") }
!/^ *\/\// && /std::regex|torch::load|[^A-Za-z_]system\(|[^A-Za-z_]popen\(/ { complain(name ":" FNR ": banned: " $0) }
END {
  check_length()
  exit failed
}

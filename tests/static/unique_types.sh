#!/bin/sh
# Two types of one name in one namespace are one type to the linker, which takes either's destructor for both: every type
# that a header defines has a name of its own. unique_types.sh ROOT
set -eu
cd "$1"
find limbeck -name '*.h' ! -name '*_test.h' | sort | xargs awk '
  FNR == 1 { space = "" }
  /^namespace [a-z_:]+ \{/ { space = space "::" $2 }
  /^}  \/\/ namespace / { sub(/::[^:]*(::[^:]*)?$/, "", space) }
  /^(class|struct|enum class) [A-Za-z_]+ .*\{/ || /^(class|struct) [A-Za-z_]+ :/ {
    name = $1 == "enum" ? $3 : $2
    key = space "::" name
    if (key in file && file[key] != FILENAME) { print FILENAME ":" FNR ": " key " is defined in " file[key] " too"; bad = 1 }
    file[key] = FILENAME
    ++n
  }
  END { if (!bad) print "types: " n " of their own names"; exit bad }'

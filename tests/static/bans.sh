#!/bin/sh
# Calls that have no place in the library, with the reason; comments do not count. bans.sh ROOT
# Prints each finding as FILE:LINE and fails if there is one.
set -eu
cd "$1"
found=0
ban() { # ban REASON PATTERN [FILE where it is right]
  lines=$(find limbeck -name '*.h' -o -name '*.cpp' -o -name '*.inc' | grep -v '_test\.' | sort | xargs awk -v pattern="$2" -v right="${3:-}" '
    { line = $0; sub(/\/\/.*/, "", line) }
    FILENAME != right && line ~ pattern { print FILENAME ":" FNR ": " $0 }')
  [ -z "$lines" ] || { found=1; echo "banned ($1):"; echo "$lines"; }
}
ban "backtracks without bound, on the stack: text/regex.h" '(std::|<)regex[ >(;{]'
ban "runs what a pickle says" 'torch::load|jit::load|pickle_load'
ban "runs a shell" '(^|[^a-zA-Z0-9_.>])(std::)?(system|popen|wordexp)[ ]*\('
ban "runs a program" '(^|[^a-zA-Z0-9_.>:])(exec[lv]p?e?|execvpe|posix_spawnp?)[ ]*\(' limbeck/cli/trainer_program.cpp
ban "knows no length" '(^|[^a-zA-Z0-9_])(std::)?(strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|alloca)[ ]*\('
ban "tells no error: from_chars" '(^|[^a-zA-Z0-9_])(std::)?(atoi|atol|atoll|atof|sscanf|scanf|fscanf)[ ]*\('
ban "guessable names: atomic_file.h" '(^|[^a-zA-Z0-9_])(std::)?(tmpnam|tempnam|mktemp)[ ]*\('
ban "shared by all threads: base/random.h" '(^|[^a-zA-Z0-9_])(std::)?s?rand[ ]*\('
[ $found = 0 ] && echo "bans: ok"
exit $found

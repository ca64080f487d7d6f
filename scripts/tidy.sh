#!/bin/sh
# clang-tidy (.clang-tidy) over the library and the program, or the files named, as clang compiles them for fuzzing.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh developer
[ -f build/fuzz/compile_commands.json ] || cmake --preset fuzz > /dev/null
if [ $# = 0 ]; then
  # The trainer's files need libtorch, which that build leaves out.
  set -- $(git ls-files 'limbeck/*.cpp' | grep -v _test.cpp | while read -r file; do
    grep -q "/$file\"" build/fuzz/compile_commands.json && echo "$file"
  done)
fi
printf '%s\n' "$@" | xargs -n 1 -P "$(scripts/jobs.sh)" clang-tidy-14 -p build/fuzz --quiet 2> build/fuzz/tidy.log &&
  echo "tidy: $# files without a finding"

#!/bin/sh
# expect.sh <exit code> <pattern> <program> <arguments...>: runs it and fails on another exit code,
# or if no line of its output (both streams) matches the extended regular expression.
code=$1 pattern=$2
shift 2
output=$("$@" 2>&1 </dev/null)
found=$?
if [ "$found" != "$code" ]; then
  printf '%s\nexit code %s, expected %s\n' "$output" "$found" "$code"
  exit 1
fi
if ! printf '%s\n' "$output" | grep -Eq -e "$pattern"; then
  printf '%s\nno line matches: %s\n' "$output" "$pattern"
  exit 1
fi

#!/bin/sh
# Formats all sources, or with --check only says what is not formatted.
set -eu
cd "$(dirname "$0")/.."
mode=-i
if [ "${1:-}" = --check ]; then mode="--dry-run --Werror"; fi
find limbeck tests bench fuzz \( -name '*.h' -o -name '*.cpp' \) -print0 | xargs -0 clang-format-14 $mode

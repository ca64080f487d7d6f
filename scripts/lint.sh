#!/bin/sh
# Banned calls, then cppcheck over the library and the fuzz targets; fails on any finding that
# tests/static/cppcheck.txt does not explain.
set -eu
cd "$(dirname "$0")/.."
sh tests/static/bans.sh .
command -v cppcheck > /dev/null || { echo "lint: skipped, no cppcheck here"; exit 0; }
git ls-files 'limbeck/*.cpp' 'fuzz/*.cpp' | grep -v _test.cpp | cppcheck --file-list=- --quiet --std=c++20 -I . \
  --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
  --suppressions-list=tests/static/cppcheck.txt --error-exitcode=1 -j "$(scripts/jobs.sh)" \
  --template='{file}:{line}: {severity} {id}: {message}'
echo "lint: ok"

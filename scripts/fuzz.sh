#!/bin/sh
# Fuzzes every target for FUZZ_SECONDS (30); what it finds new is kept under build/fuzz/found.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh developer
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$(scripts/jobs.sh)"
status=0
for fuzzer in build/fuzz/fuzz/*_fuzz; do
  name=$(basename "$fuzzer" _fuzz)
  mkdir -p "build/fuzz/found/$name"
  if "$fuzzer" -max_total_time="${FUZZ_SECONDS:-30}" -rss_limit_mb=1024 -timeout=5 -max_len=4096 \
    -artifact_prefix="build/fuzz/$name-" "build/fuzz/found/$name" "fuzz/corpus/$name" \
    >"build/fuzz/$name.log" 2>&1; then
    echo "$name: $(grep '^Done' "build/fuzz/$name.log")"
  else
    tail -n 40 "build/fuzz/$name.log"
    echo "$name: FAILED, see build/fuzz/$name.log"
    status=1
  fi
done
exit $status

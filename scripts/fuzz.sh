#!/bin/sh
# Fuzzes every target, or those named, for FUZZ_SECONDS (30) each or, with FUZZ_GOAL=1, until it had its executions of
# docs/security.md. What a run finds new is kept under build/fuzz/found, and build/fuzz/counts.txt counts all runs.
set -eu
cd "$(dirname "$0")/.."

goal() { # goal NAME: executions
  case $1 in
    gguf | safetensors | shard_index | importance) echo 100000000 ;;
    chat_prompt | chat_template | http_request | teacher_reply | recipe | task_yaml | event_file) echo 1000000 ;;
    *) echo 10000000 ;;
  esac
}

fuzz_one() { # fuzz_one NAME
  name=$1 log=build/fuzz/$1.log
  done=$(awk -v name="$name" '$1 == name {n += $2} END {printf "%d", n}' build/fuzz/counts.txt)
  runs=-1 seconds=${FUZZ_SECONDS:-30}
  if [ -n "${FUZZ_GOAL:-}" ]; then
    runs=$(($(goal "$name") - done))
    seconds=${FUZZ_SECONDS:-0}
    [ $runs -gt 0 ] || { echo "$name: has had $done executions"; return 0; }
  fi
  mkdir -p "build/fuzz/found/$name"
  # What makes an execution cheap, and costs no finding (a finding's input is run again by hand, with all there is):
  # malloc_context_size: one frame of who took a block; quarantine_size_mb: freed memory of the last thousands of executions,
  # which stays in the cache; -reload: nobody else writes into this folder; -entropic: its weights are bookkeeping over every
  # input after each execution; -max_len: all of the formats' features fit, and time goes with the length.
  # The preset's flags (CMakePresets.json): -fsanitize-address-use-after-return=never leaves out code for a check that is off
  # by default anyhow; -fsanitize-coverage-ignorelist: see fuzz/uncounted.txt.
  if ASAN_OPTIONS=malloc_context_size=1:quarantine_size_mb=4 "build/fuzz/fuzz/${name}_fuzz" -runs=$runs \
    -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=5 -max_len=4096 -entropic=0 -reload=0 \
    -artifact_prefix="build/fuzz/$name-" "build/fuzz/found/$name" "fuzz/corpus/$name" >"$log" 2>&1; then
    # Also of a run that was asked to end (SIGUSR1), which has no last word.
    awk -v name="$name" '/^#[0-9]/ {runs = substr($1, 2)} / cov: / {for (i = 1; i < NF; ++i) if ($i == "cov:") edges = $(i + 1)}
      END {print name, runs, edges}' "$log" >"$log.count"
    cat "$log.count" >>build/fuzz/counts.txt
    awk '{print $1 ": " $2 " executions, " $3 " edges"}' "$log.count"
  else
    tail -n 40 "$log"
    echo "$name: FAILED, see $log"
    return 1
  fi
}

if [ "${FUZZ_STAGE:-}" = one ]; then
  fuzz_one "$1"
  exit
fi
scripts/setup.sh developer
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$(scripts/jobs.sh)"
touch build/fuzz/counts.txt
if [ $# = 0 ]; then set -- $(ls fuzz/corpus); fi
export FUZZ_STAGE=one
printf '%s\n' "$@" | xargs -n 1 -P "$(scripts/jobs.sh)" scripts/fuzz.sh

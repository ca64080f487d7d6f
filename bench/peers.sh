#!/bin/bash
# limbeck's speed beside llama.cpp's and ik_llama.cpp's on the same files: prompt and generation, tokens/s. Rounds are
# interleaved (each engine once a round), medians with the lowest and highest, one Markdown row a file and thread count.
#
#   LLAMA_BENCH=PROGRAM IK_LLAMA_BENCH=PROGRAM bench/peers.sh FILE.gguf...
#
# The two are the peers' llama-bench programs; one that is not set is left out. Run it on an idle machine. ROUNDS (5),
# THREADS ("1 2"), PROMPT (512), GENERATION (128). ik_llama.cpp runs twice: as it is, and with its run-time repacking;
# both with flash attention, as llama.cpp does.
set -euo pipefail
limbeck=${LIMBECK:-build/release/limbeck}
rounds=${ROUNDS:-5} prompt=${PROMPT:-512} generation=${GENERATION:-128}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

measure() { # ENGINE FILE THREADS: "prompt generation" of one round, and for limbeck the fractions of the limits
  local sizes=(-m "$2" -t "$3" -p "$prompt" -n "$generation" -r 1 -o json)
  case $1 in
    limbeck)
      "$limbeck" bench "$2" --threads "$3" --prompt "$prompt" --generation "$generation" --repetitions 1 --json -q
      return ;;
    llama.cpp) "$LLAMA_BENCH" "${sizes[@]}" -fa 1 ;;
    ik) "$IK_LLAMA_BENCH" "${sizes[@]}" -fa 1 ;;
    ik-repacked) "$IK_LLAMA_BENCH" "${sizes[@]}" -fa 1 -rtr 1 ;;
  esac 2>/dev/null
}

engines=(limbeck)
[ -z "${LLAMA_BENCH:-}" ] || engines+=(llama.cpp)
[ -z "${IK_LLAMA_BENCH:-}" ] || engines+=(ik ik-repacked)
header="| file | threads |" line="|---|---:|"
for engine in "${engines[@]}"; do header+=" $engine prompt | $engine generation |" line+="---:|---:|"; done
[ -n "${NO_HEADER:-}" ] || printf "%s\n%s\n" "$header of the limits, prompt / generation |" "$line---:|"

for file in "$@"; do
  for threads in ${THREADS:-1 2}; do
    rm -f "$work"/*
    for _ in $(seq "$rounds"); do
      for engine in "${engines[@]}"; do
        measure "$engine" "$file" "$threads" | tr -d '\n' >>"$work/$engine"
        echo >>"$work/$engine"
      done
    done
    python3 - "$(basename "$file" .gguf)" "$threads" "$work" "${engines[@]}" <<'PY'
import json, statistics, sys
name, threads, work, engines = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
def number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.1f}"
def cell(values):
    return f"{number(statistics.median(values))} ({number(min(values))}-{number(max(values))})"
cells, limits = [], ""
for engine in engines:
    runs = [json.loads(line) for line in open(f"{work}/{engine}")]
    if engine == "limbeck":
        prompt = [r["prompt_tokens_per_s"] for r in runs]
        generation = [r["generation_tokens_per_s"] for r in runs]
        limits = " / ".join(f"{100 * statistics.median(r['limit_fraction'][k] for r in runs):.0f} %"
                            for k in ("prompt", "generation"))
    else:
        prompt = [x["avg_ts"] for r in runs for x in r if x["n_gen"] == 0]
        generation = [x["avg_ts"] for r in runs for x in r if x["n_gen"] > 0]
    cells += [cell(prompt), cell(generation)]
print(f"| {name} | {threads} | " + " | ".join(cells) + f" | {limits} |", flush=True)
PY
  done
done

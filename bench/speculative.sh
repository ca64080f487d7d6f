#!/bin/bash
# What a distilled student gains as the draft of its teacher on their task: the same greedy answers with and without it, in turns.
#
#   bench/speculative.sh TASK TARGET DRAFT...
#
# Each model reads the task's inputs in the form that it was trained on. A row for each draft and each of THREADS (1 2): tokens/s
# over all answers of ITEMS (40) test items, without and with the draft, after the target's prompts ("generation") and with all
# prompts ("whole"), the fastest of ROUNDS (5) of each answer; how many times as fast, the median of the items with the lowest and
# highest; how many drafted tokens were kept; and passes of the target for a token. Ends with 1 if an answer differs.
# MORE: options of `limbeck eval`, such as "--draft-tokens 8". Run it on an idle machine.
set -euo pipefail
limbeck=${LIMBECK:-build/release/limbeck} task=$1 target=$2
shift 2
echo "| target | draft | threads | generation alone | drafted | times | whole alone | drafted | times | kept | passes a token |"
echo "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
for draft in "$@"; do
  for threads in ${THREADS:-1 2}; do
    # shellcheck disable=SC2086
    "$limbeck" eval "$target" --task "$task" --draft "$draft" --limit "${ITEMS:-40}" --draft-rounds "${ROUNDS:-5}" \
      --threads "$threads" --json -q ${MORE:-} | TARGET=$target DRAFT=$draft THREADS=$threads python3 -c '
import json, os, sys
d = json.load(sys.stdin)["draft"]
tokens, different = d["tokens"], d["different"]
def rate(seconds): return f"{tokens / seconds:,.0f}"
def times(key): return "{value:.2f} ({low:.2f}-{high:.2f})".format(**d[key])
alone, drafted, prompts = d["alone_s"], d["drafted_s"], d["prompts_s"]
kept, passes = 100 * d["accepted"] / max(d["drafted"], 1), d["passes"] / tokens
cells = [os.path.basename(os.environ["TARGET"]), os.path.basename(os.environ["DRAFT"]), os.environ["THREADS"],
         rate(alone - prompts), rate(drafted - prompts), times("generation_times"),
         rate(alone), rate(drafted), times("whole_times"), f"{kept:.0f} %", f"{passes:.2f}"]
print("| " + " | ".join(cells) + " |")
sys.exit(f"{different} answers differ" if different else 0)
'
  done
done

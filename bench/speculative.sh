#!/bin/bash
# What a distilled student gains as the draft of its teacher: the same greedy answers with and without it, in turns.
#
#   bench/speculative.sh TARGET DRAFT TASK/test.jsonl
#
# The inputs go as they are, without the task's instruction: for a target that answers such prompts (`prompt: bare`). Students
# of one that wants the instruction have never read it, and little of what they draft is kept.
#
# Prints tokens/s of both (medians over prompts, with the lowest and highest), the speed-up, and how many drafted tokens were
# kept; ends with 1 if an answer differs. PROMPTS (20) of the file's inputs, THREADS (1), DRAFTED (8) tokens at a time,
# TOKENS (64) of an answer at most. Run it on an idle machine.
set -euo pipefail
limbeck=${LIMBECK:-build/release/limbeck} target=$1 draft=$2 file=$3
export LIMBECK="$limbeck" TARGET="$target" DRAFT="$draft" THREADS=${THREADS:-1} DRAFTED=${DRAFTED:-8} TOKENS=${TOKENS:-64}
head -n "${PROMPTS:-20}" "$file" | python3 -c '
import json, os, statistics, subprocess, sys
def run(prompt, more):
    command = [os.environ["LIMBECK"], "generate", os.environ["TARGET"], prompt, "--chat", "--json", "-q", "--max-tokens",
               os.environ["TOKENS"], "--threads", os.environ["THREADS"], *more]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
plain, drafted, ratios, kept, tried, differ = [], [], [], 0, 0, 0
for line in sys.stdin:
    given = json.loads(line)["input"]
    prompt = given if isinstance(given, str) else json.dumps(given)
    one = run(prompt, [])
    other = run(prompt, ["--draft", os.environ["DRAFT"], "--draft-tokens", os.environ["DRAFTED"]])
    differ += one["ids"] != other["ids"]
    plain.append(len(one["ids"]) / one["seconds"])
    drafted.append(len(other["ids"]) / other["seconds"])
    ratios.append(drafted[-1] / plain[-1])
    kept += other["speculative"]["accepted"]
    tried += other["speculative"]["drafted"]
def cell(values):
    return f"{statistics.median(values):,.2f} ({min(values):,.2f}-{max(values):,.2f})"
print(f"alone {cell(plain)} tokens/s, drafted {cell(drafted)}, {cell(ratios)} times, {kept} of {tried} drafted tokens kept")
sys.exit(f"{differ} answers differ" if differ else 0)
'

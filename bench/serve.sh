#!/bin/bash
# Throughput of limbeck serve beside llama-server: CLIENTS (16) clients at once, each with prompts of its own (PROMPT, 128
# random token ids) and answers of TOKENS (64), greedy, through /v1/completions. Rounds are interleaved (each server once a
# round, the other idle); medians with the lowest and highest, a Markdown row a server.
#
#   LLAMA_SERVER=PROGRAM bench/serve.sh MODEL.gguf
#
# LLAMA_SERVER is llama.cpp's; without it limbeck is measured alone. ROUNDS (5), THREADS (2), REQUESTS a round (32). A model:
# build/release/bench/random_model smollm2-135m q4_0 examples/helpdesk/teacher model.gguf. Run it on an idle machine.
set -euo pipefail
limbeck=${LIMBECK:-build/release/limbeck} model=$1
clients=${CLIENTS:-16} threads=${THREADS:-2}
export CLIENTS=$clients ROUNDS=${ROUNDS:-5} REQUESTS=${REQUESTS:-32} PROMPT=${PROMPT:-128} TOKENS=${TOKENS:-64}
context=$((PROMPT + TOKENS + 64))
servers=() names=()
work=$(mktemp -d)
trap 'kill "${servers[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

"$limbeck" serve "$model" --port 18080 --parallel "$clients" --context "$context" --threads "$threads" -q >"$work/limbeck" &
servers+=($!) names+=("limbeck=18080")
if [ -n "${LLAMA_SERVER:-}" ]; then
  "$LLAMA_SERVER" -m "$model" --port 18081 -np "$clients" -c $((clients * context)) -t "$threads" -tb "$threads" -fa on \
    >"$work/llama" 2>&1 &
  servers+=($!) names+=("llama-server=18081")
fi
python3 "$(dirname "$0")/serve_load.py" "${names[@]}"

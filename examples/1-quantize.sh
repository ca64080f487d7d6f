#!/bin/sh
# Quantize only: a model into four sizes, calibrated on a task's own inputs, each compared with the
# original. Ends with the table; build/quantize/report.html has the curve of accuracy against bits.
set -eu
cd "$(dirname "$0")/.."
limbeck=${LIMBECK:-build/release/limbeck}
[ -d examples/helpdesk/data ] || build/release/helpdesk_data examples/helpdesk/data
mkdir -p build/quantize
"$limbeck" quantize examples/helpdesk/teacher -o build/quantize/q4_k_m.gguf --type q4_k_m --threads 1
"$limbeck" compare original=examples/helpdesk/teacher build/quantize/q4_k_m.gguf \
  --task examples/helpdesk/data/tasks/routing --text examples/helpdesk/data/text/test.txt --bits 8,4,3,2 \
  --limit 300 --text-tokens 4000 --threads 1 --html build/quantize/report.html --json build/quantize/results.json
echo "Report: build/quantize/report.html"

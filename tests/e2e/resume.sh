#!/bin/sh
# A run killed (SIGKILL) in each of its stages and resumed ends with the same weights and scores as one
# that was left alone, and leaves no temporary file. Usage: resume.sh LIMBECK WORK_FOLDER
set -eu
limbeck=$1 work=$2
rm -rf "$work"
sh "$(dirname "$0")/colours.sh" "$work"
cd "$work"

"$limbeck" run recipe.yaml --run-dir whole --threads 1 -q > whole.txt

kills=0
for stage in teacher gate label student "quantize student-q4_0" compare; do
  "$limbeck" run recipe.yaml --run-dir killed --threads 1 -q > /dev/null 2>&1 &
  pid=$!
  # Wait for the stage to begin, give it a moment, kill. A stage that ends first counts as not killed.
  while kill -0 $pid 2>/dev/null; do
    if grep -q "\"stage\":\"$stage\"" killed/events.jsonl 2>/dev/null; then
      sleep 0.05
      if kill -9 $pid 2>/dev/null; then kills=$((kills + 1)); fi
      break
    fi
    sleep 0.01
  done
  wait $pid 2>/dev/null || true
done
"$limbeck" run recipe.yaml --run-dir killed --threads 1 -q > killed.txt

[ "$kills" -ge 3 ] || { echo "only $kills runs were killed in time"; exit 1; }
for model in teacher student; do
  cmp "whole/models/$model/model.safetensors" "killed/models/$model/model.safetensors"
done
# The accuracy lines of the tables; times and the sizes of provenance differ.
grep accuracy whole.txt | tr -s ' ' > whole.accuracy
grep accuracy killed.txt | tr -s ' ' > killed.accuracy
cmp whole.accuracy killed.accuracy
left=$(find killed -name '.*.tmp-*')
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
echo "killed $kills times, resumed, same weights and scores"

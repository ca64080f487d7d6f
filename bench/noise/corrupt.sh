#!/bin/sh
# A classification task with a share of its training labels replaced by others, drawn at random.
# bench/noise/corrupt.sh TASK OUT [SHARE [SEED [ROWS]]]: TASK/{task.yaml,train.jsonl,test.jsonl}, rows
# {"input": .., "output": ".."}, of which the first ROWS
set -eu
task=${1:?the folder of a task} out=${2:?a folder to write to} share=${3:-0.5} seed=${4:-1} rows=${5:-1000000}
mkdir -p "$out"
cp "$task/task.yaml" "$task/test.jsonl" "$out/"
head -n "$rows" "$task/train.jsonl" | awk -v share="$share" -v seed="$seed" '
  { row[NR] = $0; match($0, /"output":"[^"]*"}$/); label[NR] = substr($0, RSTART + 10, RLENGTH - 12)
    if (!(label[NR] in known)) { known[label[NR]]; name[n++] = label[NR] } }
  END {
    srand(seed)
    for (i = 1; i <= NR; i++) {
      wrong = rand() < share
      do other = name[int(rand() * n)]; while (other == label[i])
      text = row[i]
      if (wrong) { text = substr(text, 1, length(text) - length(label[i]) - 2) other "\"}"; changed++ }
      print text
    }
    printf "%d of %d labels replaced\n", changed, NR > "/dev/stderr"
  }' >"$out/train.jsonl"

#!/bin/sh
# Two processes train what one trains; one that dies ends the other with a clear error, and the next start, with
# any number of processes, goes on from the checkpoint. Usage: ranks.sh LIMBECK WORK_FOLDER
set -eu
limbeck=$1 work=$2
rm -rf "$work"
sh "$(dirname "$0")/colours.sh" "$work"
cd "$work"
export MASTER_ADDR=127.0.0.1 MASTER_PORT=$((20000 + $$ % 20000)) WORLD_SIZE=2 LIMBECK_RANK_TIMEOUT=60

fail() { echo "$*"; cat rank*.err; exit 1; }

# start RANK ARGUMENTS..: in the background; its output in rankN.out and rankN.err, its id in pidN.
start() {
  rank=$1
  shift
  rm -f "rank$rank.err"  # what an earlier one said
  RANK=$rank "$limbeck" "$@" --threads 1 >"rank$rank.out" 2>"rank$rank.err" &
  eval "pid$rank=$!"
}
both() { start 0 "$@"; start 1 "$@"; }
# ended CODE: both ranks end with that exit code.
ended() {
  code0=0 code1=0
  wait "$pid0" || code0=$?
  wait "$pid1" || code1=$?
  MASTER_PORT=$((MASTER_PORT + 1))  # the next meeting is another
  [ "$code0 $code1" = "$1 $1" ] || fail "exit codes $code0 and $code1, not $1"
}
field() { sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p" "$2"; }

write_config() { # write_config STEPS
  cat >train.yaml <<END_OF_CONFIG
tokenizer: {train: {vocab_size: 300}}
model: {hidden: 32, layers: 2, heads: 2, ffn: 64, context: 64}
data: [rows.jsonl]
train: {max_steps: $1, learning_rate: 0.005, batch_tokens: 512, bf16: false, checkpoint_seconds: 0.1}
END_OF_CONFIG
}
sed 's/"input"/"prompt"/; s/"output"/"completion"/' task/train.jsonl >rows.jsonl

# The same training.
write_config 40
env -u WORLD_SIZE "$limbeck" train --config train.yaml -o one --threads 1 --json -q >one.json
both train --config train.yaml -o two --json
ended 0
[ ! -s rank1.out ] && [ ! -s rank1.err ] || fail "rank 1 speaks"
[ "$(field tokens one.json)" = "$(field tokens rank0.out)" ] || fail "not the same tokens"
awk -v a="$(field loss one.json)" -v b="$(field loss rank0.out)" \
  'BEGIN { d = a - b; exit !(d * d < 1e-6 && a > 0) }' || fail "loss $(cat one.json rank0.out)"
[ "$(wc -l <two.metrics.jsonl)" = 40 ] || fail "metrics: $(wc -l <two.metrics.jsonl) lines"

# A rank is killed: 0 says so and keeps the steps done together; one process goes on from there.
write_config 100000
for victim in 1 0; do
  rm -rf lost*
  both train --config train.yaml -o lost
  while [ ! -d lost.checkpoints ] || [ -z "$(ls lost.checkpoints)" ]; do sleep 0.05; done
  eval "kill -9 \$pid$victim; wait \$pid$victim" 2>/dev/null || true
  left=$((1 - victim)) code=0
  eval "wait \$pid$left" || code=$?
  MASTER_PORT=$((MASTER_PORT + 1))
  [ $code = 6 ] || fail "the rank that is left ends with $code"
  grep -q "rank $left of 2: another rank is lost" "rank$left.err" || fail "no word of the lost rank"
  [ ! -e lost ] || fail "a model of half a run"
done
rm -f rank0.err
env -u WORLD_SIZE "$limbeck" train --config train.yaml -o lost --threads 1 2>rank0.err &
alone=$! i=0
while ! grep -q "resuming after step" rank0.err 2>/dev/null && [ $i -lt 600 ]; do sleep 0.1; i=$((i + 1)); done
kill -9 "$alone" 2>/dev/null || fail "so fast?"
wait "$alone" 2>/dev/null || true
grep -q "resuming after step" rank0.err || fail "not resumed"

# Ctrl-C and what schedulers send.
both train --config train.yaml -o lost
while ! grep -q "resuming after step" rank0.err; do sleep 0.05; done
sleep 0.3
kill -TERM "$pid0" "$pid1"
ended 7

# Whole runs: rank 0 gates, labels, compares; both train.
both run recipe.yaml --run-dir run
ended 0
for model in teacher student; do
  grep -q '"ranks": *2' "run/models/$model/limbeck.json" || fail "$model: not of two ranks"
done
[ -s run/results.json ] || fail "no results"
both distill --teacher run/models/teacher --student '{hidden: 32, layers: 1, heads: 2, ffn: 32, context: 64}' \
  --task task --gate 0 --epochs 1 -o student
ended 0
grep -q '"ranks": *2' student/limbeck.json || fail "distill: not of two ranks"

# An error of rank 0 is told once, and both have its exit code.
both run recipe.yaml --run-dir recipe.yaml
ended 5
[ ! -s rank1.err ] || fail "rank 1 repeats it"
echo "two ranks train as one, end together and resume"

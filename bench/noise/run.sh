#!/bin/sh
# What wrong labels cost, and what cross_fit wins back: the help desk's routing task with half of its training labels
# replaced at random, for each seed three models of one recipe: clean labels, wrong ones, wrong ones judged.
# bench/noise/run.sh WORK; SEEDS ("1 2 3"), ARMS ("clean wrong judged"), ROWS (12000), EPOCHS (4), THREADS (2)
set -eu
here=$(dirname "$(readlink -f "$0")")
bin=${LIMBECK:-$here/../../build/release/limbeck}
mkdir -p "$1" && cd "$1"
[ -d data ] || "$(dirname "$bin")/helpdesk_data" data
recipe() { # recipe TASK SEED KEYS
  cat <<END_OF_RECIPE
task: $1
seed: $2
teacher:
  gate: 0
  train:
    start: {shape: {hidden: 96, layers: 3, heads: 4, kv_heads: 2, ffn: 256, context: 128}}
    tokenizer: $here/../../examples/helpdesk/teacher
    epochs: ${EPOCHS:-4}
    learning_rate: 0.003
    batch_tokens: 1024
    $3
compare: {speed_seconds: 0}
END_OF_RECIPE
}
for seed in ${SEEDS:-1 2 3}; do
  for share in 0 0.5; do
    "$here/corrupt.sh" data/tasks/routing "$(if [ $share = 0 ]; then echo right; else echo "wrong-$seed"; fi)" \
      $share "$seed" "${ROWS:-12000}"
  done
  recipe right "$seed" "" >"clean-$seed.yaml"
  recipe "wrong-$seed" "$seed" "" >"wrong-$seed.yaml"
  recipe "wrong-$seed" "$seed" "cross_fit: {folds: 3}" >"judged-$seed.yaml"
  for arm in ${ARMS:-clean wrong judged}; do
    "$bin" run "$arm-$seed.yaml" --run-dir "$arm-$seed" --threads "${THREADS:-2}" -q >/dev/null
    "$bin" eval "$arm-$seed/models/teacher" --task data/tasks/routing --prompt bare --threads "${THREADS:-2}" --json -q >"$arm-$seed.score"
    echo "$arm $seed $(cat "$arm-$seed.score")"
  done
done

#!/bin/bash
# limbeck distill beside TRL's GKDTrainer and SFTTrainer: the same rows, teacher, student at the start, tokens and
# schedule, on the demo's routing task; and GKDTrainer given no more processor time than ours took. Arms are interleaved,
# once a seed. Prints a Markdown table: processor and wall seconds (ours with the teacher's labelling), tokens/s, peak
# memory, accuracy, and the paired difference of accuracy. Processor seconds are what is compared: other work on the
# machine lengthens them least.
#
#   PYTHON=VENV/bin/python bench/trl/compare.sh WORK
#
# PYTHON: with torch, transformers, datasets and trl. ROWS (2400, of which a tenth is held out on both sides),
# EPOCHS (4), SEEDS ("1 2 3"), THREADS (2), BF16=1, ARMS ("soft time text"). QUIET: a command before each timed arm (a lock, say).
# Arms that WORK has already are kept.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
limbeck=${LIMBECK:-$here/../../build/release/limbeck} teacher=$here/../../examples/helpdesk/teacher
python=${PYTHON:-python3} rows=${ROWS:-2400} epochs=${EPOCHS:-4} threads=${THREADS:-2} rate=0.004 batch=16
read -ra seeds <<<"${SEEDS:-1 2 3}"
mkdir -p "$1" && cd "$1"
arms=${ARMS:-soft time text}
export TRL_EXPERIMENTAL_SILENCE=1 OMP_WAIT_POLICY=PASSIVE  # both sides: no spinning beside other work
task=data/tasks/routing
[ -d data ] || "$(dirname "$limbeck")/helpdesk_data" data
# The student: 0.37 M parameters, 26 times fewer than the teacher.
shape='{"hidden_size":64,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"intermediate_size":192,"head_dim":16,"max_position_embeddings":128}'
"$python" "$here/arm.py" prepare --teacher "$teacher" --work . --task $task --rows "$rows" --shape "$shape" \
  --seeds "${seeds[@]}" 2>/dev/null | tail -n 1

measured() { # measured NAME COMMAND...: NAME.json gets what it prints, NAME.time "wall user system kilobytes"
  local name=$1
  shift
  if [ -f "$name.done" ]; then return; fi
  ${QUIET:-} /usr/bin/time -o "$name.time" -f '%e %U %S %M' "$@" >"$name.json" 2>"$name.err" ||
    { tail "$name.err" >&2; exit 1; }
  touch "$name.done"
}

ours() { # ours NAME SIGNAL SEED
  cat >"$1.yaml" <<END_OF_OPTIONS
epochs: $epochs
batch_tokens: $((batch * 34))
learning_rate: $rate
final_learning_rate_ratio: 0
soft_weight: 1.0
evaluations: 0
bf16: $([ -n "${BF16:-}" ] && echo true || echo false)
END_OF_OPTIONS
  [ -f "$1.done" ] || rm -rf "$1.model" "$1.model.work"
  measured "$1" "$limbeck" distill --teacher "$teacher" --student "student-$3" --task $task -o "$1.model" \
    --gate 0 --signal "$2" --limit "$rows" --config "$1.yaml" --threads "$threads" --seed "$3" --json -q
}

theirs() { # theirs NAME ARM SEED EPOCHS
  measured "$1" "$python" "$here/arm.py" train --teacher "$teacher" --work . --arm "$2" --seed "$3" --epochs "$4" \
    --batch $batch --learning-rate $rate --threads "$threads" ${BF16:+--bf16} --output "$1.model"
}

has() { [[ " $arms " == *" $1 "* ]]; }
for seed in "${seeds[@]}"; do
  ours "limbeck-soft-$seed" top_k "$seed"
  theirs "trl-gkd-$seed" gkd "$seed" "$epochs"
  if has time; then  # as many epochs as the processor time of the first arm allows
    share=$("$python" -c "import json; _, user, system, _ = map(float, open('limbeck-soft-$seed.time').read().split()[-4:])
print(round($epochs * (user + system) / json.loads(open('trl-gkd-$seed.json').read().splitlines()[-1])['cpu_seconds'], 2))")
    theirs "trl-gkd-time-$seed" gkd "$seed" "$share"
  fi
  has text || continue
  ours "limbeck-text-$seed" text "$seed"
  theirs "trl-sft-$seed" sft "$seed" "$epochs"
done
for model in *.model; do
  # In the form that both were trained on; ours say it of themselves.
  "$limbeck" eval "$model" --task $task --prompt bare --threads "$threads" --predictions "${model%.model}.items" \
    --json -q >"${model%.model}.score"
done
"$python" "$here/table.py" "${seeds[@]}"

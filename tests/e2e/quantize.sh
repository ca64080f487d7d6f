#!/bin/sh
# The same file for every instruction set and number of threads; a folder packed to 4 bits and back
# holds the same bytes; a task calibrates. Usage: quantize.sh LIMBECK MODEL_FOLDER WORK_FOLDER
set -eu
limbeck=$1 model=$2 work=$3
rm -rf "$work"
mkdir -p "$work/task"
cd "$work"
cat > task/task.yaml <<'END'
name: shop
kind: classification
instruction: Is the order late?
labels: [late, early]
END
i=1
while [ "$i" -le 90 ]; do
  [ $((i % 3)) -eq 0 ] && label=late || label=early
  [ "$i" -le 60 ] && file=train || file=test
  echo "{\"input\": \"order $i of the shop at number $((i * 7 % 31)) came\", \"output\": \"$label\"}" >> "task/$file.jsonl"
  i=$((i + 1))
done

quantize() { # quantize KERNELS THREADS OUTPUT ARGUMENTS...
  kernels=$1 threads=$2 output=$3
  shift 3
  LIMBECK_KERNELS=$kernels "$limbeck" quantize "$model" -o "$output" --threads "$threads" --quiet "$@"
}
same() { # same FILE FILE
  cmp "$1" "$2" || { echo "$1 and $2 differ"; exit 1; }
}

usable=""
for kernels in avx512 avx2 scalar; do
  if LIMBECK_KERNELS=$kernels "$limbeck" generate "$model" a --max-tokens 1 > /dev/null 2>&1; then
    usable="$usable $kernels"
  fi
done
echo "instruction sets:$usable"

calibrated="--type q4_k_m --calibration task --calibration-tokens 768 --method"
first=""
for kernels in $usable; do
  for type in q3_k_m q5_0 q8_0 iq4_xs; do
    quantize "$kernels" 1 "$type-$kernels.gguf" --type "$type"
    [ -z "$first" ] || same "$type-$first.gguf" "$type-$kernels.gguf"
  done
  # shellcheck disable=SC2086  # several words
  quantize "$kernels" 2 "imatrix-$kernels.gguf" $calibrated imatrix
  [ -z "$first" ] || same "imatrix-$first.gguf" "imatrix-$kernels.gguf"
  # shellcheck disable=SC2086
  quantize "$kernels" 2 "gptq-$kernels.gguf" $calibrated gptq
  [ -z "$first" ] || same "gptq-$first.gguf" "gptq-$kernels.gguf"
  first=${first:-$kernels}
done
# shellcheck disable=SC2086
quantize "$first" 1 gptq-1.gguf $calibrated gptq
same gptq-1.gguf "gptq-$first.gguf"

quantize "$first" 2 q4.gguf --type q4_0
"$limbeck" convert q4.gguf packed --to compressed-tensors --quiet
"$limbeck" convert packed back.gguf --quiet
"$limbeck" inspect q4.gguf --json | tr ',' '\n' | grep -c '"q4_0"' > q4.count
"$limbeck" inspect back.gguf --json | tr ',' '\n' | grep -c '"q4_0"' > back.count
[ "$(cat back.count)" -ge 63 ] || { echo "only $(cat back.count) matrices came back as q4_0"; exit 1; }
[ "$("$limbeck" generate back.gguf 'order 3' --max-tokens 12 --temperature 0)" = \
  "$("$limbeck" generate packed 'order 3' --max-tokens 12 --temperature 0)" ] ||
  { echo "the packed folder answers otherwise"; exit 1; }

# Healing: the same file again, nothing left by a kill, and not of what was 4 bits before.
i=1
while [ "$i" -le 300 ]; do
  echo "Order $i of the shop at number $((i * 7 % 31)) came late and was sent back."
  i=$((i + 1))
done > text.txt
heal() { # heal MODEL OUTPUT STEPS
  "$limbeck" quantize "$1" -o "$2" --type q4_0 --method rtn --calibration text.txt --calibration-tokens 2048 --heal "$3" --threads 1
}
if ! heal packed none.gguf 2 2> refused.txt; then
  grep -q "4-bit weights" refused.txt || grep -q "needs the trainer" refused.txt || { cat refused.txt; exit 1; }
else
  echo "a packed folder was healed"
  exit 1
fi
if ! grep -q "needs the trainer" refused.txt; then
  heal "$model" healed.gguf 2 2> healed.txt
  heal "$model" again.gguf 2 2> again.txt
  same healed.gguf again.gguf
  # Not through the function: what is killed must be the program, not a shell around it.
  "$limbeck" quantize "$model" -o killed.gguf --type q4_0 --method rtn --calibration text.txt \
    --calibration-tokens 2048 --heal 10000 --threads 1 2> killed.txt &
  killed=$!
  i=0
  while ! grep -q "^heal" killed.txt 2> /dev/null && [ "$i" -lt 600 ]; do
    sleep 0.2
    i=$((i + 1))
  done
  kill -9 "$killed"
  wait "$killed" 2> /dev/null || true
  [ ! -e killed.gguf ] || { echo "a killed run left a file"; exit 1; }
fi

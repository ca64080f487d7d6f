#!/bin/sh
# The advisor's predictions against what is then measured: generation speed and peak memory of the model
# as it is and in two quantized forms. Machines are noisy, so this is no test of every day: at
# least two of the three speeds must be within 20 %. advise_speed.sh LIMBECK MODEL WORK
set -eu
limbeck=$1 model=$2 work=$3
mkdir -p "$work" && cd "$work"
value() { # value FILE KEY PLAN: a number of the option whose plan is named
  awk -v key="\"$2\":" -v plan="\"plan\":\"$3\"" '
    {n = split($0, part, "{\"plan\":"); for (i = 2; i <= n; ++i) {
      text = "\"plan\":" part[i]
      if (index(text, plan) != 1) continue
      at = index(text, key); rest = substr(text, at + length(key)); sub(/[,}].*/, "", rest); print rest; exit}}' "$1"
}
"$limbeck" advise "$model" --measure --json --context 320 --threads 1 -q > advice.json
"$limbeck" quantize "$model" -o q8_0.gguf --type q8_0 --threads 1 -q > /dev/null
"$limbeck" quantize "$model" -o q4_k_m.gguf --type q4_k_m --threads 1 -q > /dev/null
echo "some words to measure on, as many as it takes" > text.txt
"$limbeck" compare "keep it as it is=$model" "quantize to q8_0=q8_0.gguf" "quantize to q4_k_m=q4_k_m.gguf" --text text.txt \
  --text-tokens 10 --no-cache --threads 1 --json measured.json -q > /dev/null
good=0
for plan in "keep it as it is" "quantize to q8_0" "quantize to q4_k_m"; do
  predicted=$(value advice.json generation_tokens_per_s "$plan")
  measured=$(tr -d ' \n' < measured.json | awk -v name="\"name\":\"$(echo "$plan" | tr -d ' ')\"" '
    {at = index($0, name); text = substr($0, at); i = index(text, "\"generation_tokens_per_s\":{\"value\":")
     rest = substr(text, i + 35); sub(/[,}].*/, "", rest); print rest}')
  echo "$plan $predicted $measured" | awk '{m = $NF; p = $(NF - 1); printf "%-20s predicted %.0f tokens/s, measured %.0f: %+.0f %%\n", substr($0, 1, index($0, $(NF-1)) - 2), p, m, 100 * (p / m - 1)}'
  if awk -v p="$predicted" -v m="$measured" 'BEGIN {r = p / m; exit !(r > 0.8 && r < 1.2)}'; then good=$((good + 1)); fi
done
[ "$good" -ge 2 ]

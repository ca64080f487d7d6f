#!/bin/bash
# llama-quantize beside limbeck on one model: the same types, calibration text and held-out text; what is measured is
# the emitted file. Prints one Markdown row a file: bytes, bits a weight, perplexity, KL with its interval, same top-1.
#
#   LLAMA_CPP_BIN=FOLDER bench/quantize_compare.sh MODEL CALIBRATION HELD_OUT WORK [TYPE...]
#   HEAL=100 bench/quantize_compare.sh MODEL CALIBRATION HELD_OUT WORK [TYPE...]
#
# LLAMA_CPP_BIN holds llama-quantize and llama-imatrix; without it limbeck's files are compared with
# the original alone. IK_LLAMA_BIN: ik_llama.cpp's llama-quantize beside it. IMATRIX: an importance file in
# place of llama-imatrix's own. HEAL: steps of healing, a further row a type. CALIBRATION may name several
# files. Files that are in WORK already are kept.
set -euo pipefail
limbeck=${LIMBECK:-build/release/limbeck}
model=$1 calibration=$2 held_out=$3 work=$4
shift 4
types=("$@")
if [ ${#types[@]} = 0 ]; then types=(q4_k_m q4_k_s iq4_xs q3_k_m q3_k_s q2_k); fi
threads=${THREADS:-2} limit=${LIMIT_TOKENS:-40000} tokens=${CALIBRATION_TOKENS:-120000}
mkdir -p "$work"
cd_report() { tr '\r' '\n' <"$1" | tail -2; }

base=$work/f16.gguf
[ -z "${LLAMA_CPP_BIN:-}" ] || [ -f "$base" ] || "$limbeck" convert "$model" "$base" --type f16 -q
[ -z "${IMATRIX:-}" ] || cp "$IMATRIX" "$work/imatrix.dat"
if [ -n "${LLAMA_CPP_BIN:-}" ] && [ ! -f "$work/imatrix.dat" ]; then
  "$LLAMA_CPP_BIN/llama-imatrix" -m "$base" -f "$calibration" -o "$work/imatrix.dat" -c 512 -t "$threads" \
    --no-ppl >"$work/imatrix.log" 2>&1 || { cd_report "$work/imatrix.log"; exit 1; }
fi

row() { # NAME FILE SECONDS PEAK
  local json
  json=$("$limbeck" eval "$2" --text "$held_out" --reference "$model" --context 512 --max-tokens "$limit" \
    --threads "$threads" --json -q)
  python3 - "$1" "$2" "$3" "$4" "$json" <<'PY'
import json, os, sys
name, path, seconds, peak, text = sys.argv[1:6]
r = json.loads(text); kl = r["kl"]
print(f"| {name} | {os.path.getsize(path):,} | {r['perplexity']:.3f} | {kl['mean']:.5f} ({kl['low']:.5f}-{kl['high']:.5f}) "
      f"| {kl['p999']:.3f} | {100 * r['same_top1']['value'] if isinstance(r['same_top1'], dict) else 100 * r['same_top1']:.2f} | {seconds} | {peak} |")
PY
}

timed() { # LOG COMMAND..: seconds and peak megabytes
  local log=$1
  shift
  /usr/bin/env time -f '%e %M' -o "$log.time" "$@" >"$log" 2>&1 || { cd_report "$log" >&2; return 1; }
  awk '{printf "%.1f %.0f\n", $1, $2 / 1024}' "$log.time"
}

quantize() { # OUTPUT ARGUMENTS..: seconds and peak megabytes, or dashes where the file is there
  local output=$1
  shift
  if [ -f "$output" ]; then echo "- -"; return; fi
  # shellcheck disable=SC2086  # several files; several words
  timed "${output%.gguf}.log" "$limbeck" quantize "$model" -o "$output" --calibration $calibration \
    --calibration-tokens "$tokens" --threads "$threads" "$@" ${EXTRA:-}
}

peer() { # FOLDER OUTPUT NAME: a llama-quantize of that folder, and its row; `type` as it stands
  local s p
  read -r s p < <([ -f "$2" ] && echo "- -" || timed "${2%.gguf}.log" "$1/llama-quantize" \
    --imatrix "$work/imatrix.dat" "$base" "$2" "$(echo "$type" | tr a-z A-Z)" "$threads")
  row "$3" "$2" "$s" "$p"
}

echo "| file | bytes | perplexity | KL, nats (95 %) | KL 99.9 % | same top-1, % | s | peak MB |"
echo "|---|---:|---:|---:|---:|---:|---:|---:|"
for type in "${types[@]}"; do
  ours=$work/limbeck-$type.gguf healed=$work/limbeck-healed-$type.gguf
  read -r s p < <(quantize "$ours" --type "$type")
  row "limbeck $type" "$ours" "$s" "$p"
  if [ -n "${HEAL:-}" ]; then
    read -r s p < <(quantize "$healed" --type "$type" --heal "$HEAL")
    row "limbeck $type --heal $HEAL" "$healed" "$s" "$p"
  fi
  [ -n "${LLAMA_CPP_BIN:-}" ] || continue
  theirs=$work/llama-$type.gguf
  peer "$LLAMA_CPP_BIN" "$theirs" "llama-quantize $type"
  [ -z "${IK_LLAMA_BIN:-}" ] || peer "$IK_LLAMA_BIN" "$work/ik-$type.gguf" "ik llama-quantize $type"
  sized=$work/limbeck-size-$type.gguf
  read -r s p < <(quantize "$sized" --size "$(stat -c %s "$theirs")")
  row "limbeck --size (of $type)" "$sized" "$s" "$p"
done

#!/bin/sh
# Every allocation of seven commands fails once, STRIDE apart: each run ends with exit code 5, or as if
# nothing had happened. Never a signal, never another code; the output is whole or not there.
# allocation_faults.sh LIMBECK FAIL_NEW.so WORK STRIDE
set -eu
limbeck=$1 preload=$2 work=$3 stride=$4
rm -rf "$work"
sh "$(dirname "$0")/../e2e/colours.sh" "$work"
cd "$work"
export XDG_CACHE_HOME="$work/cache" NO_COLOR=1
"$limbeck" run recipe.yaml --run-dir made --threads 1 -q > /dev/null
model=made/models/teacher task=task
"$limbeck" quantize "$model" -o tiny.gguf --type q4_0 --threads 1 -q > /dev/null

runs=0 refused=0 bad=0
try() { # try NAME OUTPUT ARGUMENTS...: OUTPUT is what the command writes, or -
  name=$1 output=$2
  shift 2
  [ "$output" = - ] || rm -rf "$output"
  LIMBECK_COUNT_NEW=count.txt LD_PRELOAD=$preload "$limbeck" "$@" > /dev/null 2> error.txt ||
    { echo "$name fails by itself:"; cat error.txt; exit 1; }
  total=$(cat count.txt)
  [ "$output" = - ] || mv "$output" whole
  n=1
  while [ "$n" -le "$total" ]; do
    [ "$output" = - ] || rm -rf "$output"
    code=0
    LIMBECK_FAIL_NEW=$n LD_PRELOAD=$preload "$limbeck" "$@" > /dev/null 2> error.txt || code=$?
    runs=$((runs + 1))
    if [ "$code" = 5 ]; then
      refused=$((refused + 1))
    elif [ "$code" != 0 ]; then
      bad=$((bad + 1))
      echo "$name: allocation $n of $total: exit $code: $(head -c 300 error.txt)"
    fi
    if [ "$output" != - ] && [ -e "$output" ] && ! cmp -s "$output" whole; then
      bad=$((bad + 1))
      echo "$name: allocation $n: exit $code, and a torn $output"
    fi
    left=$(find . -name '.*.tmp-*')
    [ -z "$left" ] || { bad=$((bad + 1)); echo "$name: allocation $n left $left"; rm -rf $left; }
    n=$((n + stride))
  done
}
try inspect - inspect "$model"
try inspect-gguf - inspect tiny.gguf
try tokenize - tokenize "$model" "a green thing"
try generate - generate tiny.gguf "a green" --max-tokens 4 --threads 2
try quantize out.gguf quantize "$model" -o out.gguf --type q4_k --threads 2 -q
try eval - eval tiny.gguf --task "$task" --threads 2 -q
try label labels.jsonl label --task "$task" --teacher "$model" -o answers.sqlite --rows labels.jsonl --limit 8 --threads 1 -q

echo "$runs runs with one failed allocation: $refused ended with exit 5, $((runs - refused - bad)) did without it, $bad badly"
[ "$bad" = 0 ]

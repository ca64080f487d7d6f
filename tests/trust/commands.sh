# What allocation_faults.sh and resource_faults.sh share: seven commands that read and write, with a tiny task and
# model in the folder $work. To be sourced with $limbeck, $preload and $work set.
rm -rf "$work"
sh "$(dirname "$0")/../e2e/colours.sh" "$work"
cd "$work"
export XDG_CACHE_HOME="$work/cache" NO_COLOR=1
"$limbeck" run recipe.yaml --run-dir made --threads 1 -q > /dev/null
"$limbeck" quantize made/models/teacher -o tiny.gguf --type q4_0 --threads 1 -q > /dev/null

each_command() { # each_command TRY: calls TRY NAME OUTPUT ARGUMENTS...; OUTPUT is what the command writes, or -
  model=made/models/teacher
  "$1" inspect - inspect $model
  "$1" inspect-gguf - inspect tiny.gguf
  "$1" tokenize - tokenize $model "a green thing"
  "$1" generate - generate tiny.gguf "a green" --max-tokens 4 --threads 2
  "$1" quantize out.gguf quantize $model -o out.gguf --type q4_k --threads 2 -q
  "$1" eval - eval tiny.gguf --task task --threads 2 -q
  "$1" label labels.jsonl label --task task --teacher $model -o answers.sqlite --rows labels.jsonl --limit 8 --threads 1 -q
}

runs=0 refused=0 bad=0
complain() { bad=$((bad + 1)); echo "$*"; }

# attempt WHEN OUTPUT COMMAND...: the command under some fault ends with exit 5, or as if nothing had happened; never
# with a signal or another code; its output is the file `whole`, or not there; nothing temporary is left.
attempt() {
  when=$1 output=$2
  shift 2
  [ "$output" = - ] || rm -rf "$output"
  code=0
  "$@" > /dev/null 2> error.txt || code=$?
  runs=$((runs + 1))
  case $code in
    0) ;;
    5) refused=$((refused + 1)) ;;
    *) complain "$when: exit $code: $(head -c 300 error.txt)" ;;
  esac
  if [ "$output" != - ] && [ -e "$output" ] && ! cmp -s "$output" whole; then complain "$when: exit $code, a torn $output"; fi
  left=$(find . -name '.*.tmp-*')
  [ -z "$left" ] || { complain "$when left $left"; rm -rf $left; }
}

# each_fault WORD FIELD VARIABLE STRIDE NAME OUTPUT ARGUMENTS...: counts the command's calls of one kind (a field of
# what the preloaded library writes), keeps its output as `whole`, and fails each of them once, STRIDE apart.
each_fault() {
  word=$1 field=$2 variable=$3 apart=$4 name=$5 output=$6
  shift 6
  LIMBECK_COUNT_CALLS=count.txt LD_PRELOAD=$preload "$limbeck" "$@" > /dev/null
  [ "$output" = - ] || mv "$output" whole
  total=$(cut -d' ' -f"$field" count.txt)
  n=1
  while [ "$n" -le "$total" ]; do
    attempt "$name: $word $n of $total" "$output" env "$variable=$n" LD_PRELOAD="$preload" "$limbeck" "$@"
    n=$((n + apart))
  done
}

summary() { # summary WHAT
  echo "$runs runs with $1: $refused ended with exit 5, $((runs - refused - bad)) did without it, $bad badly"
  [ "$bad" = 0 ]
}

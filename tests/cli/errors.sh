#!/bin/sh
# Error messages as users see them. errors.sh LIMBECK GOLDEN SOURCE WORK [--update]
# GOLDEN holds "$ arguments", the exit code, and what was printed, one block after another; every
# command runs in WORK, where the files of broken input below lie.
set -u
limbeck=$1 golden=$2 source=$3 work=$4
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 1
export XDG_CACHE_HOME="$work/cache" COLUMNS=100 NO_COLOR=1
unset LIMBECK_TEST_DATA

cp -r "$source/examples/helpdesk/teacher" model
# A task, and one of each way of being wrong.
task() { # task FOLDER YAML TRAIN TEST
  mkdir -p "$1" && printf '%b' "$2" > "$1/task.yaml" && printf '%b' "$3" > "$1/train.jsonl" && printf '%b' "$4" > "$1/test.jsonl"
}
row='{"input": "a", "output": "yes"}\n'
yaml='name: t\nkind: classification\nlabels: [yes, no]\n'
task good "$yaml" "$row" "$row"
task records 'name: r\nkind: qa\n' '{"input": {"question": "a"}, "output": "b"}\n' '{"input": {"question": "a"}, "output": "b"}\n'
task no-kind 'name: t\n' "$row" "$row"
task bad-kind 'name: t\nkind: clasification\n' "$row" "$row"
task bad-key 'name: t\nkind: classification\nlables: [yes]\n' "$row" "$row"
task bad-label "$yaml" "$row" '{"input": "a", "output": "maybe"}\n'
task bad-row "$yaml" "$row" '{"input": "a", "output"\n'
task no-test "$yaml" "$row" ''
task no-output "$yaml" "$row" '{"input": "a"}\n'
task bad-yaml 'name: [t\n' "$row" "$row"
task hostile 'name: "\\e]0;owned\\a"\nkind: classification\nlabels: ["\\e[31m"]\n' "$row" "$row"
mkdir empty
mkdir no-weights && cp model/config.json no-weights/
mkdir bad-config && cp model/* bad-config/ && printf '{"model_type": "llama", "hidden_size": -4}' > bad-config/config.json
mkdir bad-family && cp model/* bad-family/ && printf '{"model_type": "mamba"}' > bad-family/config.json
mkdir cut && cp model/* cut/ && head -c 4 model/model.safetensors > cut/model.safetensors
printf 'GGUF\003\000\000\000' > cut.gguf
printf 'not a model' > text.gguf
printf 'hello' > short.txt
printf 'task: good\nteacher: {model: model}\nstudent: {shape: {hidden: 32, layers: 1, heads: 2}}\n' > ok.yaml
printf 'task: good\nteacher: {model: model}\n' > no-student.yaml
printf 'task: good\nteacher: {model: model}\nstudent: {shape: {hiden: 32}}\n' > bad-shape.yaml
printf 'task: good\nteechar: {model: model}\nstudent: {model: model}\n' > bad-key.yaml
printf 'task: good\nteacher: {model: model}\nstudent: {model: model}\nquantize: [{type: q4_0, of: pupil}]\n' > bad-of.yaml
printf 'task: ${NOT_SET_HERE}\nteacher: {model: model}\nstudent: {model: model}\n' > bad-variable.yaml
mkdir damaged-run && printf '{' > damaged-run/status.json
mkdir old-run && printf '{"schema": "limbeck.run/1", "state": "failed", "stages": {}}' > old-run/status.json
printf '{"schema": "other"}' > other.json

run() { # prints one block
  printf '$ %s\n' "$1"
  eval "set -- $1"
  output=$("$limbeck" "$@" --threads 1 2>&1 </dev/null)
  printf 'exit %s\n%s\n\n' "$?" "$output"
}
grep '^\$ ' "$golden" | sed 's/^\$ //' > commands.list
while IFS= read -r command; do run "$command"; done < commands.list > found.txt
if [ "${5:-}" = --update ]; then cp found.txt "$golden"; exit 0; fi
if ! diff -u "$golden" found.txt; then
  echo "what changed on purpose is taken over with --update"
  exit 1
fi
echo "$(wc -l < commands.list) messages as expected"

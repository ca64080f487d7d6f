# What crash_points.sh and random_kills.sh share: a tiny task and model in the folder $work, the commands that
# write, and what must hold of their files. To be sourced with $limbeck and $work set.
rm -rf "$work"
sh "$(dirname "$0")/../e2e/colours.sh" "$work"
cd "$work"
export XDG_CACHE_HOME="$work/cache" NO_COLOR=1
"$limbeck" run recipe.yaml --run-dir made --threads 1 -q > /dev/null
sed 's/.*"input": "\([^"]*\)".*/\1/' task/train.jsonl > text.txt

bad=0
complain() { bad=$((bad + 1)); echo "$*"; }

command_of() { # command_of NAME: sets the arguments of the command of that name, which writes into the folder `now`
  model=made/models/teacher
  case $1 in
    quantize) echo quantize $model -o now/out.gguf --type q4_k --calibration text.txt --threads 1 -q ;;
    label) echo label --task task --teacher $model -o now/answers.sqlite --rows now/labels.jsonl --limit 40 --threads 1 -q ;;
    run) echo run recipe.yaml --run-dir now --threads 1 -q ;;
  esac
}

# sums FOLDER: the files that must come out equal, with their hashes.
# (The .gguf files of a run hold how many seconds its training took.)
finals() { (cd "$1" && find . -type f ! -path '*checkpoint*' ! -path '*/.*/*' \( -name out.gguf -o -name model.safetensors -o -name labels.jsonl \) | sort); }
sums() { (cd "$1" && finals . | xargs -r sha256sum); }

whole_files() { # whole_files WHEN: nothing torn under a final name
  for file in $(finals now); do
    cmp -s "now/$file" "reference/$file" || complain "$name: $1: torn $file"
  done
}

ended_well() { # ended_well WHEN: the same bytes as the command that was left alone, and nothing left over
  sums now > now.sums
  cmp -s now.sums reference.sums || complain "$name: after $1 the result differs"
  left=$(find now -name '.*.tmp-*')
  [ -z "$left" ] || complain "$name: after $1: left behind: $left"
}

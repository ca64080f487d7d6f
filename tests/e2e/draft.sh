#!/bin/sh
# A draft changes the speed of a task's answers and nothing else, whichever form of the input it reads.
# Usage: draft.sh LIMBECK TEACHER WORK_FOLDER
set -eu
limbeck=$1 teacher=$2 work=$3
rm -rf "$work"
mkdir -p "$work/task"
cd "$work"
cat > task/task.yaml <<'END'
name: orders
kind: extraction
instruction: Extract product, order number, date and amount.
schema: from data
END
for file in train test; do
  for i in 1 2 3 4 5 6; do
    echo "{\"input\": \"My lamp of order $file-10$i was 4$i.50\", \"output\": {\"order\": \"$file-10$i\", \"amount\": \"4$i.50\"}}"
  done > "task/$file.jsonl"
done

"$limbeck" quantize "$teacher" -o near.gguf --type q8_0 -q
cp -r "$teacher" bare
sed 's/"prompt": *"instruction"/"prompt": "bare"/' "$teacher/limbeck.json" > bare/limbeck.json
! cmp -s "$teacher/limbeck.json" bare/limbeck.json

for item in 1 2 3; do
  "$limbeck" generate "$teacher" --task task --item $item -q > alone
  for draft in near.gguf bare; do
    "$limbeck" generate "$teacher" --task task --item $item --draft $draft -q > drafted
    cmp alone drafted
  done
done
"$limbeck" generate "$teacher" "My lamp of order test-103 was 43.50" --task task -q > given
cmp alone given  # the input by its text is the third item

kept() { # the share of drafted tokens kept, in percent
  "$limbeck" eval "$teacher" --task task --draft "$1" --draft-rounds 1 --json -q |
    sed -n 's/.*"different":0,.*"drafted":\([0-9]*\),"accepted":\([0-9]*\),.*/\2 \1/p' | awk '{print int(100 * $1 / $2)}'
}
near=$(kept near.gguf) bare=$(kept bare)
[ "$near" -ge 60 ] || { echo "of the teacher's own drafts in 8 bits $near % were kept"; exit 1; }
[ "$bare" -lt "$near" ] || { echo "without the instruction $bare % were kept, with it $near %"; exit 1; }
echo "same answers; kept $near % of drafts by the instruction, $bare % without"

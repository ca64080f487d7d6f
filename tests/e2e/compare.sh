#!/bin/sh
# A comparison killed (SIGKILL) between its measurements and run again measures only what is missing,
# and ends with the scores of one that was left alone. Usage: compare.sh LIMBECK TEACHER WORK_FOLDER
set -eu
limbeck=$1 teacher=$2 work=$3
rm -rf "$work"
mkdir -p "$work/task"
cd "$work"
cat > task/task.yaml <<'END'
name: parity
kind: classification
instruction: Is the number even or odd?
labels: [even, odd]
END
i=1
while [ "$i" -le 120 ]; do
  [ $((i % 2)) -eq 0 ] && label=even || label=odd
  [ "$i" -le 60 ] && file=train || file=test
  echo "{\"input\": \"order $i\", \"output\": \"$label\"}" >> "task/$file.jsonl"
  i=$((i + 1))
done

i=0; while [ $i -lt 150 ]; do echo "order $i waits for the shop"; i=$((i + 1)); done > text.txt

compare() { # compare CACHE JSON
  "$limbeck" compare "$teacher" --task task --text text.txt --no-speed --bits 8,4,2 --bits-method rtn --threads 1 \
    --cache "$1" --json "$2" --html "$2.html" -v > "$2.txt" 2> "$2.err"
}
compare whole whole.json

"$limbeck" compare "$teacher" --task task --text text.txt --no-speed --bits 8,4,2 --bits-method rtn --threads 1 --cache killed > /dev/null 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null && [ "$(ls killed/measured 2>/dev/null | wc -l)" -lt 3 ]; do sleep 0.02; done
kill -9 $pid 2>/dev/null || { echo "it ended before it could be killed"; exit 1; }
wait $pid 2>/dev/null || true
before=$(ls killed/measured | wc -l)
compare killed killed.json
kept=$(grep -c "measured before" killed.json.err)
[ "$kept" -eq "$before" ] || { echo "$before measurements were kept, $kept were used"; exit 1; }
grep accuracy whole.json.txt > whole.accuracy
grep accuracy killed.json.txt > killed.accuracy
cmp whole.accuracy killed.accuracy
left=$(find killed -name '.*.tmp-*')
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
[ "$(wc -c < whole.json.html)" -lt 1000000 ]
echo "killed after $before measurements, went on, same scores"

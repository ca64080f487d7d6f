#!/bin/sh
# A task of six labels and a recipe that goes through every stage in seconds: colours.sh FOLDER writes
# FOLDER/task and FOLDER/recipe.yaml.
set -eu
mkdir -p "$1/task"
cd "$1"

colours="red green blue white black brown"
cat > task/task.yaml <<'END'
name: colours
kind: classification
instruction: Name the colour.
labels: [red, green, blue, white, black, brown]
END
write_examples() { # write_examples FIRST LAST
  i=$1
  while [ "$i" -le "$2" ]; do
    colour=$(echo $colours | cut -d' ' -f$((i % 6 + 1)))
    echo "{\"input\": \"item $i of the list is a $colour thing\", \"output\": \"$colour\"}"
    i=$((i + 1))
  done
}
write_examples 1 240 > task/train.jsonl
write_examples 241 300 > task/test.jsonl
cat > recipe.yaml <<'END'
task: task
teacher:
  gate: 0
  train:
    start: {shape: {hidden: 32, layers: 1, heads: 2, ffn: 64, context: 64}}
    vocab_size: 400
    max_steps: 30
    learning_rate: 0.01
    batch_tokens: 512
    evaluations: 2
    checkpoint_seconds: 0.2
student: {shape: {hidden: 32, layers: 1, heads: 2, ffn: 32, context: 64}}
distill: {max_steps: 20, learning_rate: 0.01, batch_tokens: 512, checkpoint_seconds: 0.2}
quantize: [{type: q4_0}]
compare: {limit: 30, speed_seconds: 0.05}
END

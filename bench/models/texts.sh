#!/bin/sh
# The texts that the measurements use, from LIMBECK_TEST_DATA (novels and TinyStories) into FOLDER:
#   train.txt       64 novels and the stories, what the models are trained on
#   calibration.txt 32 kB from the middle of every fourth of those novels
#   held-out.txt    200 kB from the middle of each of the last four novels, which no model has seen
#   stories-*.txt   the stories alone, for lm3m: the last 300 kB held out, the first 600 kB to calibrate on
# bench/models/texts.sh FOLDER
set -eu
data=${LIMBECK_TEST_DATA:?names the folder of the test data}
out=${1:?a folder to write to}
mkdir -p "$out"
novels=$(mktemp -d)
trap 'rm -rf "$novels"' EXIT
tar -xJf "$data/text/novels/novels.tar.xz" -C "$novels"
# middle FILE BYTES: whole lines from the middle of a file
middle() {
  size=$(wc -c <"$1")
  tail -c +$((size / 2)) "$1" | head -c "$2" | sed '1d;$d'
}
rm -f "$out/train.txt" "$out/calibration.txt" "$out/held-out.txt"
n=0
all=$(find "$novels" -name '*.txt' | LC_ALL=C sort)
total=$(echo "$all" | wc -l)
for file in $all; do
  n=$((n + 1))
  if [ $n -gt $((total - 4)) ]; then
    middle "$file" 200000 >>"$out/held-out.txt"
    continue
  fi
  { cat "$file"; printf '\n<|endoftext|>\n'; } >>"$out/train.txt"
  if [ $((n % 4)) = 0 ]; then middle "$file" 32000 >>"$out/calibration.txt"; fi
done
cat "$data/text/TinyStories-sample/tinystories_sample.txt" >>"$out/train.txt"
stories=$data/text/TinyStories-sample/tinystories_sample.txt
head -c $(($(wc -c <"$stories") - 300000)) "$stories" | sed '$d' >"$out/stories-train.txt"
tail -c 300000 "$stories" | sed '1d' >"$out/stories-held-out.txt"
head -c 600000 "$out/stories-train.txt" | sed '$d' >"$out/stories-calibration.txt"
wc -c "$out"/*.txt

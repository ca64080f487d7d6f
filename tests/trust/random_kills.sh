#!/bin/sh
# Deaths at random moments: quantize, label and a whole run (training, answers, rounding) are killed with SIGKILL, one to
# four times in a row, and then left to end: no file torn under its final name, and the bytes of a command left alone.
# random_kills.sh LIMBECK WORK KILLS [SEED]
set -eu
limbeck=$1 work=$2 kills=$3 seed=${4:-1}
. "$(dirname "$0")/resumable.sh"

killed=0 ended=0 draw=0
random() { # random N: `drawn` in [0, N), from the seed and the number of the draw
  draw=$((draw + 1))
  drawn=$((0x$(printf '%s %s' "$seed" "$draw" | sha256sum | cut -c1-12) % $1))
}
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

for name in quantize label run; do
  set -- $(command_of $name)
  rm -rf now reference && mkdir now
  begin=$(milliseconds)
  "$limbeck" "$@" > /dev/null
  took=$(($(milliseconds) - begin))
  mv now reference
  sums reference > reference.sums
  [ -s reference.sums ] || { echo "$name writes nothing"; exit 1; }
  goal=$((killed + (kills + 2) / 3)) before=$killed
  while [ $killed -lt $goal ]; do
    rm -rf now && mkdir now
    random 4
    left=$((1 + drawn))
    while [ $left -gt 0 ]; do
      "$limbeck" "$@" > /dev/null 2>&1 &
      victim=$!
      random $took
      sleep $((drawn / 1000)).$(printf %03d $((drawn % 1000)))
      if kill -9 $victim 2> /dev/null; then killed=$((killed + 1)); else left=0; fi
      wait $victim 2> /dev/null || true
      left=$((left - 1))
      whole_files "kill $killed"
    done
    again=0
    "$limbeck" "$@" > /dev/null 2> error.txt || again=$?
    [ $again = 0 ] || complain "$name: after kill $killed: exit $again: $(head -c 300 error.txt)"
    ended=$((ended + 1))
    ended_well "kill $killed"
  done
  echo "$name: $((killed - before)) kills within the $took ms that it takes"
done
echo "$killed kills (seed $seed), $ended times to the end; $bad ended badly"
[ $bad = 0 ]

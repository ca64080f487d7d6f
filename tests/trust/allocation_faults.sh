#!/bin/sh
# Every allocation of seven commands fails once, STRIDE apart; what must hold then: commands.sh.
# allocation_faults.sh LIMBECK INJECT_FAULTS.so WORK STRIDE
set -eu
limbeck=$1 preload=$2 work=$3 stride=$4
. "$(dirname "$0")/commands.sh"

try() {
  name=$1 output=$2
  shift 2
  LIMBECK_COUNT_CALLS=count.txt LD_PRELOAD=$preload "$limbeck" "$@" > /dev/null
  [ "$output" = - ] || mv "$output" whole
  total=$(cut -d' ' -f1 count.txt)
  n=1
  while [ "$n" -le "$total" ]; do
    attempt "$name: allocation $n of $total" "$output" env LIMBECK_FAIL_NEW=$n LD_PRELOAD="$preload" "$limbeck" "$@"
    n=$((n + stride))
  done
}
each_command try
summary "one failed allocation"

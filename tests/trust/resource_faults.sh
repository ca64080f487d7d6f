#!/bin/sh
# Seven commands with too little of what a process gets from its system: each of their threads cannot start, once; from no
# file descriptor to as many as they need; from no byte in a file to as many as they write; from no address space to as
# much as they need, STEP KiB apart. What must hold then: commands.sh. resource_faults.sh LIMBECK INJECT_FAULTS.so WORK STEP
set -eu
limbeck=$1 preload=$2 work=$3 step=$4
. "$(dirname "$0")/commands.sh"

limited() { # limited OPTION VALUE COMMAND...
  option=$1 value=$2
  shift 2
  (ulimit "$option" "$value" && exec "$@")
}

# until_it_works NAME OPTION FIRST STEP OUTPUT ARGUMENTS...: more and more of it, until the command is content three times.
until_it_works() {
  name=$1 option=$2 value=$3 more=$4 output=$5
  shift 5
  content=0
  while [ $content -lt 3 ]; do
    attempt "$name: ulimit $option $value" "$output" limited "$option" "$value" "$limbeck" "$@"
    if [ $code = 0 ]; then content=$((content + 1)); else content=0; fi
    value=$((value + more))
  done
}

# What the loader and the language need before main() can answer for anything.
first_words() { # first_words OPTION FIRST STEP: sets `least`
  least=$2
  until limited "$1" $least "$limbeck" --version > /dev/null 2>&1; do least=$((least + $3)); done
}
first_words -n 3 1
descriptors=$least
first_words -v 10000 1000
space=$least

try() {
  each_fault thread 2 LIMBECK_FAIL_THREAD 1 "$@"
  name=$1 output=$2
  shift 2
  until_it_works "$name" -n "$descriptors" 1 "$output" "$@"
  until_it_works "$name" -f 0 16 "$output" "$@"
  until_it_works "$name" -v "$space" "$step" "$output" "$@"
}
each_command try
summary "too few threads, descriptors, bytes or addresses"

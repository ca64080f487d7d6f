#!/bin/sh
# Every allocation of seven commands fails once, STRIDE apart; what must hold then: commands.sh.
# allocation_faults.sh LIMBECK INJECT_FAULTS.so WORK STRIDE
set -eu
limbeck=$1 preload=$2 work=$3 stride=$4
. "$(dirname "$0")/commands.sh"

try() { each_fault allocation 1 LIMBECK_FAIL_NEW "$stride" "$@"; }
each_command try
summary "one failed allocation"

#!/bin/sh
# What is on the disk after a death at any moment. Three commands are killed (SIGKILL) at their every
# STRIDE-th system call that writes, and given a full (ENOSPC) and a broken disk (EIO) at the others.
# Then: no file under its final name but a whole one; the same command once more ends with the same
# bytes as one that was left alone. Of a whole run, which writes ten times as often, every 20th stride.
# crash_points.sh LIMBECK WORK STRIDE
set -eu
limbeck=$1 work=$2 every=$3
command -v strace > /dev/null || { echo "skipped: there is no strace here"; exit 77; }
. "$(dirname "$0")/resumable.sh"
calls=write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,ftruncate,fallocate,unlink,unlinkat,mkdir,link
strace -qq -o /dev/null -e trace=$calls true 2> /dev/null || { echo "skipped: strace cannot trace here"; exit 77; }
points=0 killed=0 faults=0

try() { # try NAME STRIDE
  name=$1 stride=$2
  set -- $(command_of "$name")
  rm -rf now reference && mkdir now
  strace -f -qq -o trace.txt -e trace=$calls "$limbeck" "$@" > /dev/null 2> error.txt
  mv now reference
  sums reference > reference.sums
  [ -s reference.sums ] || { echo "$name writes nothing"; exit 1; }
  # strace counts the calls of each thread for itself; the first one does the writing.
  total=$(awk '{n[$1]++} END {for (i in n) if (n[i] > most) most = n[i]; print most}' trace.txt)
  echo "$name: $total writing calls"
  n=1
  for fault in signal=SIGKILL error=ENOSPC error=EIO; do
    at=$n
    while [ "$at" -le "$total" ]; do
      rm -rf now && mkdir now
      code=0
      strace -f -qq -o /dev/null -e trace=$calls -e inject=$calls:$fault:when=$at "$limbeck" "$@" > /dev/null 2> error.txt || code=$?
      points=$((points + 1))
      if [ $fault = signal=SIGKILL ]; then
        killed=$((killed + 1))
      else
        faults=$((faults + 1))
        # 0: the call did not matter (the end of a progress line, a temporary file's removal).
        case $code in 0 | 5) ;; *) complain "$name: $fault at $at: exit $code: $(head -c 300 error.txt)" ;; esac
      fi
      whole_files "$fault at $at"
      again=0
      "$limbeck" "$@" > /dev/null 2> error.txt || again=$?
      [ $again = 0 ] || complain "$name: after $fault at $at: exit $again: $(head -c 300 error.txt)"
      ended_well "$fault at $at"
      at=$((at + stride))
    done
    n=$((n + 1))
  done
}

try quantize "$every"
try label "$every"
try run $((20 * every))

echo "$points points in the writing of quantize, label and run: $killed killed, $faults disk faults; $bad ended badly"
[ "$bad" = 0 ]

#!/bin/sh
# The size of the program without symbols, and the shared libraries it needs; fails over 12 MB.
set -eu
program=$1
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$program"
bytes=$(wc -c < "$stripped")
echo "$program: $bytes bytes stripped; needs at once:" \
  $(objdump -p "$program" | awk '/NEEDED/ {print $2}')
[ "$bytes" -le 12000000 ] || { echo "more than 12 MB" >&2; exit 1; }

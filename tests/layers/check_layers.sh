#!/bin/sh
# check_layers.sh <root>: fails if the includes of limbeck/ break the table in ARCHITECTURE.md, a
# file grew too long, or something banned is used.
set -eu
cd "$1"
find limbeck \( -name '*.h' -o -name '*.cpp' -o -name '*.inc' \) -print | sort |
  xargs awk -f "$(dirname "$(readlink -f "$0")")/check_layers.awk" ARCHITECTURE.md
echo "layers ok"

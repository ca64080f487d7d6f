#!/bin/sh
# unique_types.sh finds one name twice, and takes the same name in two namespaces.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/limbeck/a" "$work/limbeck/b"
printf 'namespace limbeck {\nclass Same {\n};\nstruct Other : Base {\n};\n}  // namespace limbeck\n' > "$work/limbeck/a/x.h"
printf 'namespace limbeck::b {\nclass Same {\n};\n}  // namespace limbeck::b\n' > "$work/limbeck/b/x.h"
sh "$here/unique_types.sh" "$work" > /dev/null || { echo "namespaces are not told apart"; exit 1; }
printf 'namespace limbeck {\nstruct Same {\n};\n}  // namespace limbeck\n' > "$work/limbeck/b/y.h"
if sh "$here/unique_types.sh" "$work" > "$work/out"; then echo "a name twice is not found"; exit 1; fi
grep -q 'b/y.h:2: ::limbeck::Same' "$work/out"

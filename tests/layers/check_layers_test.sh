#!/bin/sh
# The layer check itself: each kind of breach must be found, and named.
set -eu
here=$(dirname "$(readlink -f "$0")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/limbeck/base" "$root/limbeck/format"
printf '| `base` | | x |\n| `format` | `base` | x |\n' >"$root/ARCHITECTURE.md"
ok='#include "limbeck/base/error.h"'

try() {  # try <file> <line> <expected message; empty: accepted>
  printf '%s\n%s\n' "$ok" "$2" >"$root/limbeck/$1"
  if found=$(sh "$here/check_layers.sh" "$root" 2>&1); then
    test -z "$3" || { echo "accepted: $2"; exit 1; }
  else
    case $found in *"$1:2: "*"$3"*) ;; *) echo "expected '$3', found '$found'"; exit 1 ;; esac
  fi
  rm "$root/limbeck/$1"
}
try base/a.h '' ''
try format/a.cpp "$ok" ''
try base/a.cpp '#include "limbeck/format/gguf.h"' 'base may not include format'
try format/a.cpp '#include <torch/torch.h>' 'only distill may include torch'
try base/a.cpp 'std::regex r;' 'banned'
try base/a.cpp '  system("ls");' 'banned'
try base/a.cpp '  // never std::regex' ''
yes '' | head -n 601 >"$root/limbeck/base/long.h"
if sh "$here/check_layers.sh" "$root" 2>/dev/null; then echo "accepted 601 lines"; exit 1; fi
mkdir "$root/limbeck/odd" && mv "$root/limbeck/base/long.h" "$root/limbeck/odd/a.h"
echo '// x' >"$root/limbeck/odd/a.h"
if sh "$here/check_layers.sh" "$root" 2>/dev/null; then echo "accepted a module without a row"; exit 1; fi
echo "the check finds what it should"

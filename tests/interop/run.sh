#!/bin/sh
# The interop suite: our files read by the libraries of the field, and theirs by us. Needs Python
# and a package index, in an environment of its own; reported as skipped where either is missing.
# LIMBECK names the program (default: the release build's). Arguments go to pytest: -k gguf.
set -eu
cd "$(dirname "$0")/../.."
LIMBECK=${LIMBECK:-$PWD/build/release/limbeck}
LIMBECK_NODE_LLAMA=$PWD/build/interop-node
export LIMBECK LIMBECK_NODE_LLAMA
venv=build/interop-venv

skip() {
  echo "interop: skipped, $1"
  exit 0
}
if ! cmp -s tests/interop/requirements.txt "$venv/requirements.txt"; then
  python3 -c 'import venv, ensurepip' 2>/dev/null || skip "no python3-venv here"
  python3 -m venv "$venv" || skip "no virtual environment can be made"
  pip="$venv/bin/pip --quiet --disable-pip-version-check --retries 1"
  $pip install "$(grep '^pytest==' tests/interop/requirements.txt)" ||
    skip "the package index does not answer"
  $pip install -r tests/interop/requirements.txt || skip "the package index lacks what requirements.txt names"
  cp tests/interop/requirements.txt "$venv/requirements.txt"
fi
# llama.cpp, prebuilt: optional, its tests say that they are skipped without it.
llama=3.22.1
if command -v npm >/dev/null && [ ! -f "$LIMBECK_NODE_LLAMA/$llama" ]; then
  if npm install --prefix "$LIMBECK_NODE_LLAMA" --silent --no-audit --no-fund --omit=optional \
    --ignore-scripts node-llama-cpp@$llama @node-llama-cpp/linux-x64@$llama; then
    touch "$LIMBECK_NODE_LLAMA/$llama"
  fi
fi
"$venv/bin/python" -m pytest -q -rs tests/interop "$@"

#!/bin/sh
# The interop suite: our files read by the libraries of the field, and theirs by us. Needs Python
# and a package index, in an environment of its own; reported as skipped where either is missing.
# LIMBECK names the program (default: the release build's).
set -eu
cd "$(dirname "$0")/../.."
LIMBECK=${LIMBECK:-$PWD/build/release/limbeck}
export LIMBECK
venv=build/interop-venv

skip() {
  echo "interop: skipped, $1"
  exit 0
}
stamp=$venv/requirements.txt
if ! cmp -s tests/interop/requirements.txt "$stamp"; then
  python3 -c 'import venv, ensurepip' 2>/dev/null || skip "no python3-venv here"
  rm -rf "$venv"
  python3 -m venv "$venv" || skip "no virtual environment can be made"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 20 \
    -r tests/interop/requirements.txt || { rm -rf "$venv"; skip "the package index does not answer"; }
  cp tests/interop/requirements.txt "$stamp"
fi
"$venv/bin/python" -m pytest -q tests/interop "$@"

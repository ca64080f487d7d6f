#!/bin/sh
# The demo: a help-desk teacher becomes a small specialist, then a 4-bit one; the table says what was
# gained and lost. Needs what scripts/setup.sh installs; takes a few minutes on two cores.
set -eu
cd "$(dirname "$0")/.."
build/release/helpdesk_data examples/helpdesk/data
rm -rf build/demo
build/release/limbeck run examples/helpdesk/recipe.yaml --run-dir build/demo

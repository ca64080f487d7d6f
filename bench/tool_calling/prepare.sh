#!/bin/sh
# The data of this benchmark from LIMBECK_TEST_DATA (tasks/sgd, tasks/distil_tft_tool_calling) into bench/tool_calling/data.
# bench/tool_calling/prepare.sh [FOLDER OF tool_calling_data]
set -eu
tasks=${LIMBECK_TEST_DATA:?names the folder of the test data}/tasks
here=$(dirname "$(readlink -f "$0")")
bin=${1:-$here/../../build/release/bench}
sgd=$(mktemp -d)
trap 'rm -rf "$sgd"' EXIT
tar -xzf "$tasks/sgd/sgd_partial.tar.gz" -C "$sgd"
"$bin/tool_calling_data" "$tasks/distil_tft_tool_calling" "$sgd" "$here/data"

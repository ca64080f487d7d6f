#!/bin/sh
# 64-bit ARM on this machine: kernels and codecs cross-compiled, their tests run under qemu-user. The kernels of every ARM
# table give the bits of the scalar one, the codecs their golden bytes.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh arm
cmake --preset arm > /dev/null
cmake --build --preset arm -j "$(scripts/jobs.sh)"
for test in codec kernels; do qemu-aarch64 -cpu max "build/arm/${test}_test" --gtest_brief=1; done

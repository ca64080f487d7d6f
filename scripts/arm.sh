#!/bin/sh
# 64-bit ARM on this machine: cross-compiled, run under qemu-user. The kernels of every ARM table give the bits of the scalar
# one, the codecs their golden bytes; a quantized file has the bytes, and an answer the tokens, of the program built for this
# machine (build/release/limbeck).
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh arm
cmake --preset arm > /dev/null
cmake --build --preset arm -j "$(scripts/jobs.sh)"
arm="qemu-aarch64 -cpu max build/arm"
for test in base codec kernels; do $arm/${test}_test --gtest_brief=1; done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
teacher=examples/helpdesk/teacher
for type in q4_0 q4_k_m; do
  build/release/limbeck quantize $teacher -o "$work/here.gguf" --type $type -q
  for kernels in neon_dotprod neon scalar; do
    LIMBECK_KERNELS=$kernels $arm/limbeck quantize $teacher -o "$work/arm.gguf" --type $type -q
    cmp "$work/here.gguf" "$work/arm.gguf"
    answer="generate $work/arm.gguf Where_is_my_order? --max-tokens 16 --json -q --threads 1"
    build/release/limbeck $answer | grep -A20 '"ids"' | sed '/"seconds"/d' > "$work/here.json"
    LIMBECK_KERNELS=$kernels $arm/limbeck $answer | grep -A20 '"ids"' | sed '/"seconds"/d' > "$work/arm.json"
    cmp "$work/here.json" "$work/arm.json"
    echo "$type, $kernels: the same file and the same tokens"
  done
done

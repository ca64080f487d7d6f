#!/bin/sh
# How much of the parsers' lines the fuzzing corpora reach: those committed and, with what `make fuzz` found here, theirs.
# Prints a line a file and the sum; lines that are not reached: build/coverage/unreached.txt.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh developer
cmake --preset coverage >/dev/null
cmake --build --preset coverage -j "$(scripts/jobs.sh)"

parsers() { # the files that read what strangers wrote; not those that write, run or train
  ls limbeck/base/json.cpp limbeck/base/yaml.cpp limbeck/base/utf8.cpp limbeck/format/*.cpp limbeck/format/gguf_types.h \
    limbeck/text/*.cpp limbeck/task/*data.cpp limbeck/task/read_task.cpp limbeck/task/json_answer.cpp \
    limbeck/task/tool_call.cpp limbeck/task/score.cpp limbeck/task/table.cpp limbeck/quantize/importance.cpp \
    limbeck/teacher/endpoint_reply.cpp limbeck/teacher/soft_label_bytes.cpp limbeck/serve/request.cpp \
    limbeck/model/gguf_keys.cpp limbeck/model/hf_config.cpp limbeck/model/hf_rope.cpp limbeck/model/packed_*.cpp \
    limbeck/distill/train_config.cpp limbeck/pipeline/recipe.cpp |
    grep -v -e _test.cpp -e _write.cpp -e mistaken_file -e bpe_trainer -e tokenizer_open -e safetensors_folder
}

rm -f build/coverage/*.profraw
objects=""
for fuzzer in build/coverage/fuzz/*_fuzz; do
  name=$(basename "$fuzzer" _fuzz)
  found=build/fuzz/found/$name
  [ -d "$found" ] || found=""
  LLVM_PROFILE_FILE=build/coverage/$name.profraw "$fuzzer" -runs=0 -max_len=4096 $found "fuzz/corpus/$name" >/dev/null 2>&1 ||
    { echo "$name failed on its corpus"; exit 1; }
  # llvm-cov wants the first program bare.
  objects="$objects${objects:+ -object} $fuzzer"
done
llvm-profdata-14 merge -sparse build/coverage/*.profraw -o build/coverage/all.profdata
llvm-cov-14 report $objects -instr-profile=build/coverage/all.profdata $(parsers) >build/coverage/report.txt
llvm-cov-14 show $objects -instr-profile=build/coverage/all.profdata $(parsers) |
  grep -E '^/|\| +0\|' >build/coverage/unreached.txt
awk '/%/ {lines = $8; missed = $9; printf "%s %d of %d lines, %s\n", $1, lines - missed, lines, $10}' build/coverage/report.txt

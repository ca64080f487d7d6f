// One source, one version per instruction set, chosen when the program starts. Without FMA
// contraction (a flag of this module) the versions give the same bits.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LIMBECK_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LIMBECK_WIDE
#endif

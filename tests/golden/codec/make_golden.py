#!/usr/bin/env python3
"""Writes <type>.bin and decoded.json: what ggml makes of the rows of limbeck/codec/golden_rows.h.

Usage: GGML_LIBRARY=.../libggml-base.so make_golden.py [folder]   (see README.md)
"""
import ctypes
import hashlib
import json
import os
import pathlib
import struct
import sys

COLUMNS = 512
MASK = (1 << 64) - 1
TYPES = {"q4_0": (2, 32, 18), "q4_1": (3, 32, 20), "q5_0": (6, 32, 22), "q5_1": (7, 32, 24),
         "q8_0": (8, 32, 34), "q2_k": (10, 256, 84), "q3_k": (11, 256, 110), "q4_k": (12, 256, 144),
         "q5_k": (13, 256, 176), "q6_k": (14, 256, 210), "iq4_nl": (20, 32, 18),
         "iq4_xs": (23, 256, 136), "iq3_s": (21, 256, 110), "iq3_xxs": (18, 256, 98),
         "iq2_s": (22, 256, 82), "iq2_xs": (17, 256, 74), "iq2_xxs": (16, 256, 66),
         "tq1_0": (34, 256, 54), "tq2_0": (35, 256, 66), "mxfp4": (39, 32, 17)}
NEED_IMPORTANCE = {"iq2_xs", "iq2_xxs", "iq2_s"}


class SplitMix:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def bell(self):
        """An integer in (-2^17, 2^17), the sum of four uniform ones: nearly normal."""
        z = self.next()
        return sum((z >> (16 * k)) & 0xFFFF for k in range(4)) - 2 * 0xFFFF


def row(kind):
    random = SplitMix(1000 + kind)
    values = []
    for i in range(COLUMNS):
        bell = random.bell()
        x = bell / 2.0**20
        if kind == 1:
            x = bell * abs(bell) / 2.0**36
        elif kind == 2:
            x = 0.25
        elif kind == 3:
            x = 0.0
        elif kind == 4:
            x = bell / 2.0**42
        elif kind == 5:
            x = bell / 2.0**6
        elif kind == 6:
            x = abs(bell) / 2.0**20 + 0.125
        elif kind == 7:
            x = 0.0 if (i // 16) % 3 == 1 else 3.0 if i % 101 == 50 else x
        elif kind == 8:
            x = (1.0 if (i // 16) % 2 else -1.0) * (1 + i // 32) / 64.0
        elif kind == 9:
            x = x if bell % 10 == 0 else 0.0
        values.append(x)
    return struct.pack(f"{COLUMNS}f", *values)


def importance(kind):
    random = SplitMix(2000 + kind)
    values = []
    for i in range(COLUMNS):
        bell = random.bell()
        w = bell * bell / 2.0**32
        values.append(0.0 if kind == 7 and i < 32 or i % 37 == 36 else w)
    return struct.pack(f"{COLUMNS}f", *values)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    ggml = ctypes.CDLL(os.environ["GGML_LIBRARY"])
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
                                         ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    decoded = {}
    for name, (number, block, block_bytes) in TYPES.items():
        size = COLUMNS // block * block_bytes
        decode_name = "dequantize_row_" + name.replace("_k", "_K")
        decode = getattr(ggml, decode_name)
        decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        decode.restype = None
        out, sha = b"", hashlib.sha256()
        for weighted in (False, True):
            for kind in range(10):
                x, w = row(kind), importance(kind)
                if name in NEED_IMPORTANCE and not weighted:
                    w, given = struct.pack(f"{COLUMNS}f", *[1.0] * COLUMNS), True
                else:
                    given = weighted
                made = ctypes.create_string_buffer(size)
                ggml.ggml_quantize_chunk(number, x, made, 0, 1, COLUMNS, w if given else None)
                values = ctypes.create_string_buffer(4 * COLUMNS)
                decode(made, values, COLUMNS)
                out += made.raw
                sha.update(values.raw)
        (folder / f"{name}.bin").write_bytes(out)
        decoded[name] = sha.hexdigest()
    (folder / "decoded.json").write_text(json.dumps(decoded, indent=1) + "\n")


main()

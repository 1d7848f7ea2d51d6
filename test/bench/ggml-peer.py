"""Runs llama.cpp's own encoders for a comparison, one command a line on stdin, one answer a line on stdout.

    python3 ggml-peer.py /path/to/libggml-base.so
    encode FORMAT ROWS ROW_LENGTH VALUES IMPORTANCE|- BLOCKS OUT   ->  seconds

VALUES and IMPORTANCE are files of f32; BLOCKS receives the encoded rows, OUT their decoded values ("-": neither).
"""

import ctypes
import sys
import time

TYPES = {"iq2_xxs": (16, 66), "iq2_xs": (17, 74), "iq3_xxs": (18, 98), "iq3_s": (21, 110), "iq2_s": (22, 82)}

lib = ctypes.CDLL(sys.argv[1])
lib.ggml_quantize_chunk.restype = ctypes.c_size_t
lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p] + [ctypes.c_int64] * 3 + [ctypes.c_char_p]
for number, _ in TYPES.values():
    lib.ggml_quantize_init(number)


def read(path):
    with open(path, "rb") as file:
        return file.read()


for line in sys.stdin:
    _, name, rows, length, values, importance, blocks, out = line.split()
    number, block_bytes = TYPES[name]
    rows, length = int(rows), int(length)
    x = read(values)
    assert len(x) >= 4 * rows * length
    weights = None if importance == "-" else read(importance)
    encoded = ctypes.create_string_buffer(rows * length // 256 * block_bytes)
    started = time.perf_counter()
    lib.ggml_quantize_chunk(number, x, encoded, 0, rows, length, weights)
    seconds = time.perf_counter() - started
    if blocks != "-":
        decoded = ctypes.create_string_buffer(4 * rows * length)
        decode = getattr(lib, f"dequantize_row_{name}")
        decode.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64]
        decode(encoded, decoded, rows * length)
        with open(blocks, "wb") as file:
            file.write(encoded.raw)
        with open(out, "wb") as file:
            file.write(decoded.raw)
    print(seconds, flush=True)

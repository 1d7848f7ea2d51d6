"""Writes decode.json and golden.json from llama.cpp's own library; the files are committed.

    python3 make-vectors.py /path/to/libggml-base.so

(libggml-base.so of npm @node-llama-cpp/linux-x64 3.22.1, llama.cpp v0.5.0.)

decode.json: 2048 blocks of pseudo-random bytes per format (see `blocks`; the test makes the same ones), in chunks of
256 with the SHA-256 of the f32 values that the library decodes from each chunk.
golden.json: the row of 256 values described in golden_row, encoded by the library without and with importance, with
the errors of its decoding.
"""

import ctypes
import hashlib
import json
import struct
import sys
from pathlib import Path

lib = ctypes.CDLL(sys.argv[1])
HERE = Path(__file__).parent
CHUNKS, CHUNK = 8, 256
# ggml type, elements and bytes of a block, positions of its f16 fields, encoded by us?
FORMATS = {
    "q4_0": (2, 32, 18, [0], True),
    "q4_1": (3, 32, 20, [0, 2], False),
    "q5_0": (6, 32, 22, [0], False),
    "q5_1": (7, 32, 24, [0, 2], False),
    "q8_0": (8, 32, 34, [0], True),
    "q2_K": (10, 256, 84, [80, 82], True),
    "q3_K": (11, 256, 110, [108], True),
    "q4_K": (12, 256, 144, [0, 2], True),
    "q5_K": (13, 256, 176, [0, 2], True),
    "q6_K": (14, 256, 210, [208], True),
    "iq4_nl": (20, 32, 18, [0], True),
    "iq4_xs": (23, 256, 136, [0], True),
    "mxfp4": (39, 32, 17, [], True),
    "nvfp4": (40, 64, 36, [], True),
}


def generator(state):
    while True:
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        yield state >> 16 & 255


def blocks(name):
    """Random bytes; f16 fields are made finite, and mxfp4's reserved scale byte 255 becomes 254."""
    _, _, size, halves, _ = FORMATS[name]
    byte = generator(len(name) * 1000 + size)
    for _ in range(CHUNKS):
        chunk = bytearray()
        for _ in range(CHUNK):
            block = bytearray(next(byte) for _ in range(size))
            for at in halves:
                if block[at + 1] & 0x7C == 0x7C:
                    block[at + 1] &= 0xBF
            if name == "mxfp4" and block[0] == 255:
                block[0] = 254
            chunk += block
        yield bytes(chunk)


def decode(name, data):
    _, length, size, _, _ = FORMATS[name]
    count = len(data) // size * length
    values = ctypes.create_string_buffer(4 * count)
    function = getattr(lib, f"dequantize_row_{name}")
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64]
    function(data, values, count)
    return values.raw


def golden_row():
    byte = generator(12345)
    draw = lambda: next(byte)
    x = [(draw() + draw() + draw() + draw() - 510) / 128 for _ in range(256)]
    return x, [1 + draw() / 64 for _ in range(256)]


def golden(name, importance):
    kind, length, size, _, _ = FORMATS[name]
    x, qw = golden_row()
    src = struct.pack("<256f", *x)
    out = ctypes.create_string_buffer(256 // length * size)
    quantize = lib.ggml_quantize_chunk
    quantize.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, *[ctypes.c_int64] * 3, ctypes.c_char_p]
    quantize.restype = ctypes.c_size_t
    quantize(kind, src, out, 0, 1, 256, struct.pack("<256f", *qw) if importance else None)
    y = struct.unpack("<256f", decode(name, out.raw))
    squares = [(a - b) ** 2 for a, b in zip(y, x)]
    return {"hex": out.raw.hex(), "sse": sum(squares), "wsse": sum(w * s for w, s in zip(qw, squares))}


digest = lambda data: hashlib.sha256(data).hexdigest()
decoded = {name: [digest(decode(name, chunk)) for chunk in blocks(name)] for name in FORMATS}
(HERE / "decode.json").write_text(json.dumps(decoded, indent=1) + "\n")
rows = {n: {"none": golden(n, False), "importance": golden(n, True)} for n in FORMATS if FORMATS[n][4]}
(HERE / "golden.json").write_text(json.dumps(rows, indent=1) + "\n")

"""Writes decode.json and golden.json from llama.cpp's own library; the files are committed.

    python3 make-vectors.py /path/to/libggml-base.so

(libggml-base.so of npm @node-llama-cpp/linux-x64 3.22.1, llama.cpp v0.5.0.)

decode.json: blocks that together use every codebook index, every sign mask and every scale of a format, then random
blocks, with the SHA-256 of the 256 f32 values that the library decodes from each.
golden.json: the row of 256 values described in golden_row, encoded by the library with importance, with the
errors of its decoding.
"""

import base64
import ctypes
import hashlib
import json
import random
import struct
import sys
from pathlib import Path

lib = ctypes.CDLL(sys.argv[1])
HERE = Path(__file__).parent
# ggml type, block bytes, codebook entries, elements per entry, elements per scale, sign indices of 7 bits
FORMATS = {
    "iq2_xxs": (16, 66, 256, 8, 32, True),
    "iq2_xs": (17, 74, 512, 8, 16, True),
    "iq2_s": (22, 82, 1024, 8, 16, False),
    "iq3_xxs": (18, 98, 256, 4, 32, True),
    "iq3_s": (21, 110, 512, 4, 32, False),
}


def pack(name, d, entries, signs, scales):
    """The layouts of the GGUF format description. `signs`: 32 sign indices (7 bits) or masks (8 bits)."""
    out = struct.pack("<H", d)
    words = [sum(signs[4 * g + k] << (7 * k) for k in range(4)) | scales[g] << 28 for g in range(8)] if len(scales) == 8 else None
    nibbles = bytes(scales[2 * i] | scales[2 * i + 1] << 4 for i in range(len(scales) // 2))
    if name == "iq2_xxs":
        return out + b"".join(bytes(entries[4 * g : 4 * g + 4]) + struct.pack("<I", words[g]) for g in range(8))
    if name == "iq2_xs":
        return out + b"".join(struct.pack("<H", e | s << 9) for e, s in zip(entries, signs)) + nibbles
    if name == "iq2_s":
        high = bytes(sum((entries[4 * b + k] >> 8) << (2 * k) for k in range(4)) for b in range(8))
        return out + bytes(e & 255 for e in entries) + bytes(signs) + high + nibbles
    if name == "iq3_xxs":
        return out + bytes(entries) + b"".join(struct.pack("<I", w) for w in words)
    high = bytes(sum((entries[8 * b + k] >> 8) << k for k in range(8)) for b in range(8))
    return out + bytes(e & 255 for e in entries) + high + bytes(signs) + nibbles


def decode(name, block):
    values = ctypes.create_string_buffer(1024)
    function = getattr(lib, f"dequantize_row_{name}")
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64]
    function(block, values, 256)
    return values.raw


def systematic_blocks(name):
    _, _, count, length, per_scale, even = FORMATS[name]
    slots, masks = 256 // length, 128 if even else 256
    halves = [0x3C00, 0x0001, 0x03FF, 0x7BFF, 0xB800, 0x1234]
    for b in range(max(count // slots, masks // 32)):
        entries = [(b * slots + i) % count for i in range(slots)]
        signs = [(b * 32 + i) * 37 % masks for i in range(32)]
        scales = [(b + 5 * g) % 16 for g in range(256 // per_scale)]
        yield pack(name, halves[b % len(halves)], entries, signs, scales)


def random_blocks(name, count):
    source = random.Random(name)
    for _ in range(count):
        block = bytearray(source.randbytes(FORMATS[name][1]))
        block[1] = block[1] & 0xBF if block[1] & 0x7C == 0x7C else block[1]  # a finite d
        yield bytes(block)


def golden_row():
    state = 12345

    def draw():
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return (state >> 16) & 255

    values = [(draw() + draw() + draw() + draw() - 510) / 128 for _ in range(256)]
    return values, [1 + draw() / 64 for _ in range(256)]


def golden(name):
    number, size = FORMATS[name][:2]
    values, importance = golden_row()
    block = ctypes.create_string_buffer(size)
    lib.ggml_quantize_init(number)
    lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p] + [ctypes.c_int64] * 3 + [ctypes.c_char_p]
    lib.ggml_quantize_chunk(number, struct.pack("<256f", *values), block, 0, 1, 256, struct.pack("<256f", *importance))
    squares = [(y - x) ** 2 for x, y in zip(values, struct.unpack("<256f", decode(name, block.raw)))]
    weighted = sum(w * s for w, s in zip(importance, squares))
    return {"hex": block.raw.hex(), "sse": round(sum(squares), 6), "wsse": round(weighted, 6)}


def vector(name, block):
    return {"block": base64.b64encode(block).decode(), "sha256": hashlib.sha256(decode(name, block)).hexdigest()}


decoded = {name: [vector(name, b) for b in [*systematic_blocks(name), *random_blocks(name, 8)]] for name in FORMATS}
(HERE / "decode.json").write_text(json.dumps(decoded, indent=1) + "\n")
(HERE / "golden.json").write_text(json.dumps({name: golden(name) for name in FORMATS}, indent=1) + "\n")

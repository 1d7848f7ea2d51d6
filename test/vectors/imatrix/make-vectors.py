"""Importance files written by the Python package `gguf` (and, for the legacy format, `struct`), and the means in them.

    pip install gguf numpy
    python make-vectors.py

writes stacks.gguf, stacks.dat and means.json beside this script. The means are what numpy makes of the sums in float64,
rounded to float32; null stands for a matrix whose count is zero.
"""

import json
import pathlib
import struct

import numpy
from gguf import GGUFWriter

folder = pathlib.Path(__file__).parent
random = numpy.random.default_rng(20260424)

# name: columns, tokens per matrix
SHAPES = {
    "blk.0.attn_q_a.weight": (24, [512]),
    "blk.0.ffn_gate_exps.weight": (24, [96, 0, 31, 401]),
    "blk.0.ffn_down_exps.weight": (16, [96, 0, 31, 401]),
    "output.weight": (24, [511]),
}
CALLS = 8


def means_of(sums, counts):
    return [
        [float(value) for value in (row.astype(numpy.float64) / count).astype(numpy.float32)] if count else None
        for row, count in zip(sums, counts)
    ]


entries = {}
for name, (columns, counts) in SHAPES.items():
    rows = [(random.standard_normal((count, columns)) ** 2 * random.lognormal(0, 2, columns)).sum(0) for count in counts]
    entries[name] = (numpy.array(rows, dtype=numpy.float32), numpy.array(counts, dtype=numpy.float32))

writer = GGUFWriter(folder / "stacks.gguf", "")
writer.add_type("imatrix")
writer.add_array("imatrix.datasets", ["calibration.txt", "more.txt"])
writer.add_uint32("imatrix.chunk_count", CALLS)
writer.add_uint32("imatrix.chunk_size", 64)
for name, (sums, counts) in entries.items():
    writer.add_tensor(f"{name}.in_sum2", sums)
    writer.add_tensor(f"{name}.counts", counts.reshape(-1, 1))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

# As llama.cpp writes it: means times the number of calls, ones for a matrix without tokens.
dat = struct.pack("<i", len(entries))
flat = {}
for name, (sums, counts) in entries.items():
    safe = numpy.maximum(counts, 1).reshape(-1, 1)
    values = numpy.where(counts.reshape(-1, 1) > 0, sums / safe, 1).astype(numpy.float32) * numpy.float32(CALLS)
    dat += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", CALLS, values.size) + values.tobytes()
    flat[name] = means_of(values, [CALLS] * len(counts))
dataset = "calibration.txt".encode()
dat += struct.pack("<ii", CALLS, len(dataset)) + dataset
(folder / "stacks.dat").write_bytes(dat)

means = {name: means_of(sums, counts) for name, (sums, counts) in entries.items()}
(folder / "means.json").write_text(json.dumps({"gguf": means, "dat": flat}, indent=None, separators=(",", ":")) + "\n")

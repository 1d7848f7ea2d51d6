"""
Writes vectors.json beside it: what MLX 0.32 makes of bf16 rows, reads from its own bytes, and reads from packed FP4.
pip install "mlx[cpu]" numpy
"""

import json
import pathlib

import mlx.core as mx
import numpy as np

ROWS, COLS = 4, 128
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def distributions():
    random = np.random.default_rng(4)
    shape = (ROWS, COLS)
    outliers = random.normal(size=shape) * np.where(random.random(shape) < 0.01, 20, 1)
    codes = np.minimum(7, np.abs(2.5 * random.normal(size=shape))).astype(int)
    spread = np.repeat(2.0 ** random.integers(-8, -4, (ROWS, COLS // 32)), 32, axis=1)
    return {
        "normal": 0.02 * random.normal(size=shape),
        "laplace": 0.02 * random.laplace(size=shape),
        "outliers": 0.02 * outliers,
        "fp4": E2M1[codes] * random.choice([-1, 1], shape) * spread,
    }


def hex_of(value):
    if value.dtype == mx.bfloat16:
        value = value.view(mx.uint16)
    return np.array(value).tobytes().hex()


def quantized(weight, distribution, bits, group):
    packed, scales, biases = mx.quantize(weight, group_size=group, bits=bits)
    assert packed.dtype == mx.uint32 and scales.dtype == biases.dtype == mx.bfloat16
    wide = [a.astype(mx.float32) for a in (scales, biases)]
    values = mx.dequantize(packed, *wide, group_size=group, bits=bits)
    return {
        "distribution": distribution,
        "bits": bits,
        "group": group,
        "packed": hex_of(packed),
        "scales": hex_of(scales),
        "biases": hex_of(biases),
        # Enough to compare the reading; all of it for every distribution would be much of the same.
        **({"values": hex_of(values)} if distribution == "normal" else {}),
    }


def fp4():
    """All codes in both nibbles, under scales that bf16 and f32 hold without loss."""
    random = np.random.default_rng(5)
    codes = random.integers(0, 256, (ROWS, COLS // 2), dtype=np.uint8)
    scales = random.integers(10, 245, (ROWS, COLS // 32), dtype=np.uint8)
    values = mx.dequantize(mx.array(codes.view(np.uint32)), mx.array(scales), mode="mxfp4")
    return {"codes": codes.tobytes().hex(), "scales": scales.tobytes().hex(), "values": hex_of(values.astype(mx.float32))}


weights = {name: mx.array(x.astype(np.float32)).astype(mx.bfloat16) for name, x in distributions().items()}
vectors = {
    "weights": {name: hex_of(x) for name, x in weights.items()},
    "affine": [quantized(x, name, bits, group) for name, x in weights.items() for bits in (4, 8) for group in (32, 64, 128)],
    "mxfp4": fp4(),
}
pathlib.Path(__file__).with_name("vectors.json").write_text(json.dumps(vectors, indent=1) + "\n")

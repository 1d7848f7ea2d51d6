"""
Writes vectors.json beside it: what compressed-tensors 0.20 reads from packed bytes, and what torch 2.13 makes of f32 as
E4M3. Bytes come from the generator below, so only results are stored. pip install compressed-tensors torch
"""

import json
import pathlib
import struct

import torch
from compressed_tensors.compressors import NVFP4PackedCompressor, PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme, preset_name_to_scheme

ROWS, COLS = 10, 128


def generator(seed):
    state = seed
    while True:
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        yield state >> 16 & 255


def take(source, count):
    return bytes(next(source) for _ in range(count))


def tensor(data, dtype, *shape):
    return torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape)


def hex_of(value):
    # torch cannot view a single int32 as bytes; numpy knows neither bf16 nor E4M3.
    data = value if value.dtype == torch.int32 else value.contiguous().view(torch.uint8)
    return data.numpy().tobytes().hex()


def scheme(group, symmetric):
    args = QuantizationArgs(num_bits=4, type="int", symmetric=symmetric, strategy="group", group_size=group)
    return QuantizationScheme(targets=["Linear"], weights=args)


def int4(group, dtype, symmetric):
    """Random codes, zero points and scales in [0.5, 2), read by compressed-tensors into the scales' dtype."""
    source = generator(group + symmetric)
    groups = COLS // group
    state = {"weight_packed": tensor(take(source, ROWS * COLS // 2), torch.int32, ROWS, COLS // 8)}
    scales = take(source, ROWS * groups)
    values = torch.tensor([0.5 * (1 + byte / 256) * (1 + byte % 2) for byte in scales])
    state["weight_scale"] = values.reshape(ROWS, groups).to(dtype)
    state["weight_shape"] = torch.tensor([ROWS, COLS])
    if not symmetric:
        state["weight_zero_point"] = tensor(take(source, 2 * 4 * groups), torch.int32, 2, groups)
    stored = hex_of(state["weight_scale"])
    weight = PackedQuantizationCompressor.decompress(state, scheme(group, symmetric))["weight"]
    assert weight.dtype == dtype
    return {"group": group, "dtype": str(dtype)[6:], "symmetric": symmetric, "scales": stored, "weight": hex_of(weight)}


def int4_encoded(group, symmetric):
    """Nearly normal rows quantised as compressed-tensors does: min and max, no search."""
    source = generator(7)
    rows = torch.tensor([(sum(take(source, 4)) - 510) / 128 for _ in range(8 * COLS)]).reshape(8, COLS)
    grouped = rows.reshape(8, COLS // group, group)
    low, high = grouped.amin(-1).clamp(max=0), grouped.amax(-1).clamp(min=0)
    args = scheme(group, symmetric).weights
    from compressed_tensors.quantization.utils import calculate_qparams

    scale, zero_point = calculate_qparams(low, high, args)
    scale = scale.to(torch.bfloat16).float()
    state = {"weight": rows, "weight_scale": scale, "weight_zero_point": zero_point}
    packed = PackedQuantizationCompressor.compress(dict(state), scheme(group, symmetric))
    zero_points = None if symmetric else hex_of(packed["weight_zero_point"])
    return {
        "group": group,
        "symmetric": symmetric,
        "packed": hex_of(packed["weight_packed"]),
        "scales": hex_of(scale.to(torch.bfloat16)),
        "zeroPoints": zero_points,
    }


def nvfp4():
    """Random codes and every positive scale; the global scale is a divisor there, 1 / weight_scale_2."""
    source = generator(3)
    scales = bytes(1 + i % 126 for i in range(ROWS * COLS // 16))
    state = {
        "weight_packed": tensor(take(source, ROWS * COLS // 2), torch.uint8, ROWS, COLS // 2),
        "weight_scale": tensor(scales, torch.float8_e4m3fn, ROWS, COLS // 16),
        "weight_global_scale": torch.tensor([64.0]),
    }
    weight = NVFP4PackedCompressor.decompress(state, preset_name_to_scheme("NVFP4A16", ["Linear"]))["weight"]
    return {"weight": hex_of(weight.float()), "scale2": 1 / 64}


def e4m3():
    """f32 of every magnitude up to 448, ties among them, as torch rounds them."""
    source = generator(5)
    values = [448.0]
    for code in range(126):
        step = torch.tensor([code, code + 1], dtype=torch.uint8).view(torch.float8_e4m3fn).float()
        middle = (step[0].item() + step[1].item()) / 2
        bits = struct.unpack("<I", struct.pack("<f", middle))[0]
        values += [struct.unpack("<f", struct.pack("<I", b))[0] for b in (bits - 1, bits, bits + 1)]
    while len(values) < 1024:
        exponent = next(source) % 20 - 11
        values.append((1 + next(source) / 256 + next(source) / 65536) * 2.0**exponent * 0.875)
    values = [-v if i % 3 == 1 else v for i, v in enumerate(values)]
    rows = torch.tensor(values)
    return {"values": hex_of(rows), "codes": hex_of(rows.to(torch.float8_e4m3fn))}


dtypes = (torch.bfloat16, torch.float16)
result = {
    "int4": [int4(g, dtype, symmetric) for g in (32, 128) for dtype in dtypes for symmetric in (True, False)],
    "int4Encoded": [int4_encoded(group, symmetric) for group in (32, 64, 128) for symmetric in (True, False)],
    "nvfp4": nvfp4(),
    "e4m3": e4m3(),
}
pathlib.Path(__file__).with_name("vectors.json").write_text(json.dumps(result, indent=1) + "\n")

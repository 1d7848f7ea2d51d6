"""Reads a compressed-tensors folder with the Python package of that name: its configuration, which modules its patterns
match, and every INT4 matrix, whose values are hashed for comparison with v4kit's decoder.

    pip install torch compressed-tensors==0.20.0 safetensors
    v4kit quantize tools/demo/checkpoint --recipe int4-g128 --out INT4
    python compressed-tensors-folder.py INT4

Measured with compressed-tensors 0.20.0, for int4-g128 and int4-g32: the configuration is valid; every module that is
stored INT4 matches the first group alone, every FP8 module the second, every other matrix is ignored; the 72 matrices
of float32 values hash to what decodeInt4 gives, bit for bit.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
from compressed_tensors.compressors import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationConfig
from compressed_tensors.utils.match import match_name
from safetensors import safe_open

folder = Path(sys.argv[1])
config = QuantizationConfig.model_validate(json.loads((folder / "config.json").read_text())["quantization_config"])
weight_map = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
shards = {file: safe_open(folder / file, "pt") for file in set(weight_map.values())}


def read(name):
    return shards[weight_map[name]].get_tensor(name)


def groups_of(module):
    if any(match_name(module, pattern) for pattern in config.ignore):
        return ["ignored"]
    groups = config.config_groups.items()
    return [name for name, scheme in groups if any(match_name(module, target) for target in scheme.targets)]


counts, digest = {}, hashlib.sha256()
for name in weight_map:
    module, _, kind = name.rpartition(".")
    if kind == "weight_packed":
        expected = ["group_0"]
        state = {part: read(f"{module}.{part}") for part in ("weight_packed", "weight_scale", "weight_shape")}
        # In float32 the product of a code and a BF16 scale is exact.
        state["weight_scale"] = state["weight_scale"].float()
        weight = PackedQuantizationCompressor.decompress(state, config.config_groups["group_0"])["weight"]
        assert weight.dtype == torch.float32 and list(weight.shape) == state["weight_shape"].tolist()
        digest.update(weight.numpy().tobytes())
    elif kind == "weight":
        tensor = read(name)
        if tensor.dim() != 2:
            continue
        expected = ["group_1"] if tensor.dtype == torch.float8_e4m3fn else ["ignored"]
        if module.startswith("mtp."):
            expected = ["ignored"]
    else:
        continue
    assert groups_of(module) == groups_of(f"model.{module}") == expected, (module, groups_of(module), expected)
    counts[expected[0]] = counts.get(expected[0], 0) + 1
print(config.format, counts, digest.hexdigest())

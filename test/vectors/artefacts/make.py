"""
Makes artefacts of every storage with v4kit, decodes them with code that is not v4kit's, and compares bit for bit:

    python3 make.py /path/to/v4kit/dist/tools/cli.js /path/to/checkpoint

1. Whole files: v4kit converts each GGUF (and each folder that it reads) to F32; every value of that must be what the
   judge decodes from the artefact itself.
2. vectors.json beside this script: one row of every storage, as stored and as decoded by the judge, for the tests.

Judges: gguf 0.19 (its NumPy decoders) for ggml types, torch 2.13 (its float8 dtypes) for FP8 and for the scales of NVFP4,
compressed-tensors 0.20 for NVFP4 and INT4, MLX 0.32 for MLX. No package reads the release's packed FP4: `fp4` below is
written from its description, so it is a second reading of one text and not independent.

pip install gguf numpy safetensors torch compressed-tensors "mlx[cpu]"
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import gguf
import mlx.core as mx
import numpy as np
import torch
from compressed_tensors.compressors import NVFP4PackedCompressor, PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme, preset_name_to_scheme
from safetensors import safe_open

CLI, CHECKPOINT = sys.argv[1:]
SHIPPED = [
    *["lossless-4", "q8", "bf16", "f32", "iq2-xs", "iq2-s", "iq3-xxs", "q3-k"],
    *["ds4-q2", "ds4-q4"],
]
# Types that no shipped recipe has.
OTHERS = {"a": ("q5_K", "q6_K", "iq4_xs"), "b": ("iq4_nl", "iq3_s", "nvfp4"), "c": ("q4_0", "q4_0", "q4_0")}
FOLDERS = ["native", "fp8", "nvfp4", "int4-g32", "int4-g128", "bf16-safetensors", "mlx-4"]
PARTS = {"gate": "w1", "up": "w3", "down": "w2"}
EXPERT = "layers.1.ffn.experts.2.w1"


def quantize(source, recipe, out):
    run = [*["node", CLI, "quantize", str(source), "--recipe", str(recipe), "--out", str(out)], "--allow-larger", "--quiet"]
    done = subprocess.run(run, capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr.strip()


def must(error):
    assert error is None, error


def mlx_recipe(folder):
    """Experts in the storage that mlx-4 has for experts that are not FP4."""
    path = folder / "affine-4.yaml"
    text = (pathlib.Path(CLI).parents[2] / "configs/recipes/mlx-4.yaml").read_text()
    path.write_text(text.replace("name: mlx-4", "name: affine-4").replace("fp4: mlx_mxfp4, ", ""))
    return path


def other_recipe(folder, name, types):
    experts = "".join(f"  - {{roles: [expert], parts: [{p}], format: {t}}}\n" for p, t in zip(("w1", "w2", "w3"), types))
    rest = """  - {roles: [attention, shared_expert, mtp, indexer, embed, head, router, compressor], format: f32}
  - {roles: [norm, mhc, sink, router_bias, ape], format: f32}
  - {roles: [tid2eid], format: i32}
"""
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nversion: 1\ntitle: types of no shipped recipe\nformats: [gguf]\nrules:\n{experts}{rest}")
    return path


def bits(values):
    return np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)


def assert_equal(ours, theirs, where):
    different = int((bits(ours) != bits(theirs)).sum())
    assert different == 0, f"{where}: {different} of {ours.size} values differ"
    return ours.size


def ggml_values(tensor):
    return gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape([int(n) for n in tensor.shape[::-1]])


def compare_gguf(path, twin):
    ours = {tensor.name: tensor for tensor in gguf.GGUFReader(twin).tensors}
    counts = {}
    for tensor in gguf.GGUFReader(path).tensors:
        name = tensor.tensor_type.name
        if name in ("I32", "F32"):
            continue
        size = assert_equal(ggml_values(ours[tensor.name]), ggml_values(tensor), f"{path.name} {tensor.name} {name}")
        counts[name] = counts.get(name, 0) + size
    return counts


def load_folder(path):
    tensors = {}
    for shard in sorted(path.glob("*.safetensors")):
        with safe_open(shard, "pt") as opened:
            tensors.update({name: opened.get_tensor(name) for name in opened.keys()})
    return tensors


def raw(tensor):
    tensor = tensor.contiguous()
    return (tensor.view(torch.uint8) if tensor.numel() > 1 or tensor.dim() > 0 else tensor.reshape(1).view(torch.uint8)).numpy()


def e8m0(scale):
    return scale.view(torch.float8_e8m0fnu).float().numpy()


def fp4(codes, scales):
    """Even column in the low nibble; a scale per 32 columns. Written from the format's description."""
    table = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=np.float32)
    packed = raw(codes).reshape(codes.shape)
    nibbles = np.stack([packed & 15, packed >> 4], axis=-1).reshape(codes.shape[0], -1)
    return table[nibbles] * np.repeat(e8m0(scales), 32, axis=1)


def fp8(codes, scales):
    factors = e8m0(scales) if scales.element_size() == 1 else scales.numpy()
    spread = np.repeat(np.repeat(factors, 128, axis=0), 128, axis=1)
    return codes.float().numpy() * spread[: codes.shape[0], : codes.shape[1]]


def nvfp4(tensors, stem):
    divisor = 1 / tensors[f"{stem}.weight_scale_2"].reshape(1)
    state = {
        "weight_packed": tensors[f"{stem}.weight"],
        "weight_scale": tensors[f"{stem}.weight_scale"],
        "weight_global_scale": divisor,
    }
    return NVFP4PackedCompressor.decompress(state, preset_name_to_scheme("NVFP4A16", ["Linear"]))["weight"].float().numpy()


def int4(tensors, stem, group):
    args = QuantizationArgs(num_bits=4, type="int", symmetric=True, strategy="group", group_size=group)
    state = {
        "weight_packed": tensors[f"{stem}.weight_packed"],
        # In f32 the package rounds nothing; in BF16 it would round each product.
        "weight_scale": tensors[f"{stem}.weight_scale"].float(),
        "weight_shape": tensors[f"{stem}.weight_shape"],
    }
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    return PackedQuantizationCompressor.decompress(state, scheme)["weight"].numpy()


def mlx_words(tensor):
    return mx.array(raw(tensor).view(np.uint32).reshape(*tensor.shape[:-1], -1))


def mlx_affine(tensors, stem):
    wide = [mx.array(tensors[f"{stem}.{part}"].float().numpy()) for part in ("scales", "biases")]
    width = tensors[f"{stem}.weight"].shape[-1] * 32 // (wide[0].shape[-1] * 64)
    return np.array(mx.dequantize(mlx_words(tensors[f"{stem}.weight"]), *wide, group_size=64, bits=width))


def mlx_mxfp4(tensors, stem):
    scales = mx.array(raw(tensors[f"{stem}.scales"]).reshape(tensors[f"{stem}.scales"].shape))
    codes = mlx_words(tensors[f"{stem}.weight"])
    return np.array(mx.dequantize(codes, scales, group_size=32, bits=4, mode="mxfp4", dtype=mx.float32))


def expert_values(tensors, recipe, stem):
    if recipe == "native":
        return fp4(tensors[f"{stem}.weight"], tensors[f"{stem}.scale"])
    if recipe == "fp8":
        return fp8(tensors[f"{stem}.weight"], tensors[f"{stem}.scale"])
    if recipe == "nvfp4":
        return nvfp4(tensors, stem)
    if recipe.startswith("int4"):
        return int4(tensors, stem, int(recipe[6:]))
    return tensors[f"{stem}.weight"].float().numpy()


def compare_folder(tensors, recipe, twin):
    count = 0
    for tensor in gguf.GGUFReader(twin).tensors:
        match = re.match(r"blk\.(\d+)\.ffn_(gate|up|down)_exps", tensor.name)
        if match:
            for expert, ours in enumerate(ggml_values(tensor)):
                stem = f"layers.{match[1]}.ffn.experts.{expert}.{PARTS[match[2]]}"
                count += assert_equal(ours, expert_values(tensors, recipe, stem), f"{recipe} {stem}")
    return count


vectors = []


def keep(storage, judge, parts, values):
    if any(vector["storage"] == storage for vector in vectors):
        return
    stored = {name: np.ascontiguousarray(data).view(np.uint8).tobytes().hex() for name, data in parts.items()}
    row = np.ascontiguousarray(values, dtype=np.float32)
    vectors.append({"storage": storage, "judge": judge, "cols": row.size, **stored, "values": row.tobytes().hex()})


def keep_ggml(path):
    for tensor in gguf.GGUFReader(path).tensors:
        name = tensor.tensor_type.name
        if name in ("I32", "F32") or tensor.shape[0] < 256:
            continue
        values = ggml_values(tensor)
        row = values.reshape(-1, values.shape[-1])[1]
        stored = np.ascontiguousarray(tensor.data).reshape(-1, tensor.data.shape[-1])[1]
        keep(re.sub("_k$", "_K", name.lower()), "gguf", {"codes": stored}, row)


def affine_parts(tensors, stem, row):
    keys = {"codes": "weight", "scales": "scales", "biases": "biases"}
    return {name: raw(tensors[f"{stem}.{key}"][row]) for name, key in keys.items()}


def keep_folder(tensors, recipe):
    """The first row of an expert, with the scales that belong to it."""
    codes = tensors.get(f"{EXPERT}.weight", tensors.get(f"{EXPERT}.weight_packed"))
    if recipe == "mlx-4":
        expert, dense = "model.layers.1.ffn.switch_mlp.gate_proj", "model.layers.1.attn.wq_a"
        parts = {"codes": raw(tensors[f"{expert}.weight"][2, 0]), "scales": raw(tensors[f"{expert}.scales"][2, 0])}
        keep("mlx_mxfp4", "mlx", parts, mlx_mxfp4(tensors, expert)[2, 0])
        keep("mlx_affine8", "mlx", affine_parts(tensors, dense, 0), mlx_affine(tensors, dense)[0])
        return
    values = expert_values(tensors, recipe, EXPERT)[0]
    if recipe == "bf16-safetensors":
        return
    scales = tensors[f"{EXPERT}.scale" if recipe in ("native", "fp8") else f"{EXPERT}.weight_scale"]
    parts = {"codes": raw(codes[0]), "scales": raw(scales[0])}
    if recipe == "nvfp4":
        parts["global"] = raw(tensors[f"{EXPERT}.weight_scale_2"])
    storage = {"native": "fp4", "fp8": "fp8_f32", "nvfp4": "nvfp4_groups"}.get(recipe, recipe.replace("-", "_"))
    judge = "compressed-tensors" if recipe in ("nvfp4", "int4-g32", "int4-g128") else "torch"
    keep(storage, "the description" if recipe == "native" else judge, parts, values)
    if recipe == "native":
        dense = "layers.1.attn.wq_a"
        weight, scale = tensors[f"{dense}.weight"], tensors[f"{dense}.scale"]
        keep("fp8", "torch", {"codes": raw(weight[0]), "scales": raw(scale[0])}, fp8(weight, scale)[0])


with tempfile.TemporaryDirectory() as name:
    scratch = pathlib.Path(name)
    recipes = [(recipe, recipe) for recipe in SHIPPED]
    recipes += [(f"other-{key}", other_recipe(scratch, f"other-{key}", types)) for key, types in OTHERS.items()]
    for label, recipe in recipes:
        path, twin = scratch / f"{label}.gguf", scratch / f"{label}-f32.gguf"
        must(quantize(CHECKPOINT, recipe, path))
        must(quantize(path, "f32", twin))
        print(label, compare_gguf(path, twin))
        keep_ggml(path)
    for recipe in FOLDERS:
        path, twin = scratch / recipe, scratch / f"{recipe}-f32.gguf"
        must(quantize(CHECKPOINT, recipe, path))
        tensors = load_folder(path)
        keep_folder(tensors, recipe)
        error = quantize(path, "f32", twin)
        print(recipe, f"NOT COMPARED WHOLE: {error}" if error else f"{compare_folder(tensors, recipe, twin)} values of experts")

    path = scratch / "affine-4"
    must(quantize(CHECKPOINT, mlx_recipe(scratch), path))
    tensors, stem = load_folder(path), "model.layers.1.ffn.switch_mlp.gate_proj"
    keep("mlx_affine4", "mlx", affine_parts(tensors, stem, (2, 0)), mlx_affine(tensors, stem)[2, 0])

text = json.dumps(sorted(vectors, key=lambda vector: vector["storage"]), indent=1)
pathlib.Path(__file__).with_name("vectors.json").write_text(text + "\n")

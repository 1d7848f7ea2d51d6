"""Logits of transformers' DeepseekV4ForCausalLM in float32, for the model of config.json with formula weights.

    pip install torch transformers==5.18.0 safetensors numpy
    python make-vectors.py

writes logits.npy, float32 [positions, vocab], at the positions named below. Every tensor value is a hash of the tensor's
official name and the element's index; nothing is read but config.json.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import DeepseekV4ForCausalLM

HERE = Path(__file__).parent
CONFIG = json.loads((HERE / "config.json").read_text())
TOKENS = [(17 * i * i + 5 * i + 11) % CONFIG["vocab_size"] for i in range(400)]
# All kinds of edges, then every eleventh position.
POSITIONS = sorted({0, 1, 2, 3, 4, 7, 19, 20, 21, 43, 44, 126, 127, 128, 255, 256, 383, 384, 399, *range(10, 400, 11)})


def formula(name: str, shape, amplitude: float, center: float) -> np.ndarray:
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(np.prod(shape), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float64) / 2**24
    return (center + amplitude * (2 * u - 1)).astype(np.float32).reshape(shape)


def tensors() -> dict[str, np.ndarray]:
    c = CONFIG
    H, n, hd, nh = c["hidden_size"], c["hc_mult"], c["head_dim"], c["num_attention_heads"]
    E, K, I, V = c["n_routed_experts"], c["num_experts_per_tok"], c["moe_intermediate_size"], c["vocab_size"]
    q, d = c["q_lora_rank"], c["index_head_dim"]
    out: dict[str, np.ndarray] = {}

    def matrix(name, *shape):
        out[name] = formula(name, shape, 2 / np.sqrt(shape[-1]), 0)

    def norm(name, size):
        out[name] = formula(name, (size,), 0.2, 1)

    def spread(name, *shape):
        out[name] = formula(name, shape, 0.5, 0)

    def hyper(prefix, rows, scales):
        matrix(f"{prefix}fn", rows, n * H)
        spread(f"{prefix}base", rows)
        out[f"{prefix}scale"] = formula(f"{prefix}scale", (scales,), 0.3, 1)

    def compressor(prefix, width, ratio):
        rows = width * (2 if ratio == 4 else 1)
        matrix(f"{prefix}wkv.weight", rows, H)
        matrix(f"{prefix}wgate.weight", rows, H)
        spread(f"{prefix}ape", ratio, rows)
        norm(f"{prefix}norm.weight", width)

    matrix("embed.weight", V, H)
    matrix("head.weight", V, H)
    norm("norm.weight", H)
    hyper("hc_head_", n, 1)
    for i in range(c["num_hidden_layers"]):
        layer, ratio = f"layers.{i}.", c["compress_ratios"][i]
        attn, ffn = f"{layer}attn.", f"{layer}ffn."
        norm(f"{layer}attn_norm.weight", H)
        norm(f"{layer}ffn_norm.weight", H)
        hyper(f"{layer}hc_attn_", (2 + n) * n, 3)
        hyper(f"{layer}hc_ffn_", (2 + n) * n, 3)
        spread(f"{attn}attn_sink", nh)
        matrix(f"{attn}wq_a.weight", q, H)
        norm(f"{attn}q_norm.weight", q)
        matrix(f"{attn}wq_b.weight", nh * hd, q)
        matrix(f"{attn}wkv.weight", hd, H)
        norm(f"{attn}kv_norm.weight", hd)
        matrix(f"{attn}wo_a.weight", c["o_groups"] * c["o_lora_rank"], nh * hd // c["o_groups"])
        matrix(f"{attn}wo_b.weight", H, c["o_groups"] * c["o_lora_rank"])
        if ratio:
            compressor(f"{attn}compressor.", hd, ratio)
        if ratio == 4:
            matrix(f"{attn}indexer.wq_b.weight", c["index_n_heads"] * d, q)
            matrix(f"{attn}indexer.weights_proj.weight", c["index_n_heads"], H)
            compressor(f"{attn}indexer.compressor.", d, ratio)
        matrix(f"{ffn}gate.weight", E, H)
        if i < c["num_hash_layers"]:
            t = np.arange(V)
            slots = [t % E] + [(t % E + s + (t // E) % (E - 1)) % E for s in range(1, K)]
            out[f"{ffn}gate.tid2eid"] = np.stack(slots, 1).astype(np.int64)
        else:
            spread(f"{ffn}gate.bias", E)
        for expert in [*(f"experts.{e}." for e in range(E)), "shared_experts."]:
            matrix(f"{ffn}{expert}w1.weight", I, H)
            matrix(f"{ffn}{expert}w3.weight", I, H)
            matrix(f"{ffn}{expert}w2.weight", H, I)
    return out


with tempfile.TemporaryDirectory() as folder:
    save_file(tensors(), f"{folder}/model.safetensors", metadata={"format": "pt"})
    (Path(folder) / "config.json").write_text(json.dumps(CONFIG))
    model, info = DeepseekV4ForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
for kind, names in info.items():
    assert not names, (kind, names)
with torch.no_grad():
    logits = model(torch.tensor([TOKENS]), use_cache=False).logits[0].float().numpy()
np.save(HERE / "logits.npy", np.ascontiguousarray(logits[POSITIONS], "<f4"))
(HERE / "positions.json").write_text(json.dumps(POSITIONS) + "\n")
print(len(POSITIONS), "positions; logits 0..3 at 0:", logits[0, :4], "rms", np.sqrt((logits**2).mean()))

"""Loads a folder that v4kit wrote with transformers' DeepseekV4ForCausalLM, as it is, and compares its float32 logits
with those of v4kit's reference pass over the same folder. transformers renames official tensor names itself.

    pip install torch transformers==5.18.0 accelerate safetensors
    v4kit quantize tools/demo/checkpoint --recipe bf16-safetensors --out BF16
    v4kit validate BF16 --numerics fp32 --tokens-file TOKENS.json --dump-logits BF16.npy
    python transformers-folder.py BF16 TOKENS.json BF16.npy

Measured with transformers 5.18.0 and torch 2.13 on CPU, for the recipes bf16-safetensors, fp8 and native of the embedded
checkpoint and the first 64 tokens of the sample in its expected.json: no tensor missing, unexpected or of another shape;
logits of rms 3.83 differ by at most 1.3e-5; the same top token at all 64 positions. Not nvfp4, compressed-tensors or
mlx: transformers has no loader for these layouts of this model.

FP8 and FP4 need accelerate, and are decoded while they are loaded where there is no GPU: to BF16 or to the dtype of the
scale, whatever dtype is asked for, so the model is widened afterwards; FP4, and FP8 times a power of two, are exact in
BF16.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, DeepseekV4ForCausalLM

folder, tokens_file, npy = sys.argv[1:]
tokens = json.loads(Path(tokens_file).read_text())
tokens = tokens["tokens"] if isinstance(tokens, dict) else tokens
model, info = DeepseekV4ForCausalLM.from_pretrained(
    folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
)
for kind, names in info.items():
    assert not names, (kind, names)
with torch.no_grad():
    theirs = model.float()(torch.tensor([tokens]), use_cache=False).logits[0].numpy()
ours = np.load(npy)
difference = np.abs(theirs - ours).max()
same = int((theirs.argmax(1) == ours.argmax(1)).sum())
print(f"largest difference {difference:.2g}, rms {np.sqrt((ours**2).mean()):.3g}, top token {same} of {len(ours)}")
assert AutoTokenizer.from_pretrained(folder).vocab_size <= model.config.vocab_size
assert difference < 1e-4 and same == len(ours)

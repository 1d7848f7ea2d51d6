"""What the Python package `gguf` (llama.cpp's own reader) makes of a file we wrote.

    pip install gguf
    v4kit quantize test/fixtures/golden/case-a/checkpoint --bits 4 --out a.gguf
    python make_gguf_vectors.py a.gguf mtp-a.gguf

writes one JSON beside this script per file: every key with its types and value (long arrays as length and SHA-256 of
their JSON text), every tensor with type, dimensions, position and the SHA-256 of its bytes.
"""

import hashlib
import json
import pathlib
import sys

from gguf import GGUFReader, GGUFValueType


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def scalar(value):
    return value.item() if hasattr(value, "item") else value


def field(entry):
    types = [kind.name for kind in entry.types]
    value = entry.contents()
    if entry.types[0] == GGUFValueType.ARRAY:
        text = json.dumps([scalar(item) for item in value], ensure_ascii=False, separators=(",", ":"))
        return {"types": types, "length": len(value), "sha256": digest(text.encode())}
    return {"types": types, "value": scalar(value)}


for name in sys.argv[1:]:
    path = pathlib.Path(name)
    reader = GGUFReader(path)
    keys = {key: field(entry) for key, entry in reader.fields.items() if not key.startswith("GGUF.")}
    tensors = [
        {
            "name": tensor.name,
            "type": tensor.tensor_type.name,
            "ne": [int(n) for n in tensor.shape],
            "offset": int(tensor.data_offset),
            "sha256": digest(tensor.data.tobytes()),
        }
        for tensor in reader.tensors
    ]
    out = pathlib.Path(__file__).parent / f"{path.stem}.json"
    out.write_text(json.dumps({"keys": keys, "tensors": tensors}, ensure_ascii=False, indent=1) + "\n")
    print(out, len(keys), "keys", len(tensors), "tensors")

"""What Hugging Face's `tokenizers` (0.23) makes of 1 MB of mixed text, with the embedded checkpoint's tokenizer and case-a's:

    python mixed.py > mixed.json

The text is made from a seed, by the same rules as test/support/mixed-text.ts; what Python cannot hold, half a surrogate pair,
is U+FFFD here. A chunk is kept as the number of its ids and the first 16 digits of the SHA-256 of their little-endian uint32s.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

ROOT = Path(__file__).parents[3]
FILES = {
    "demo": ROOT / "tools/demo/checkpoint/tokenizer.json",
    "case-a": ROOT / "test/fixtures/golden/case-a/checkpoint/tokenizer.json",
}
SEED, CHUNKS, PIECES = 20260424, 48, 2000

RANGES = [
    (0x391, 0x3A1), (0x410, 0x44F), (0x5D0, 0x5EA), (0x621, 0x63A), (0x905, 0x939), (0xE01, 0xE2E), (0x10D0, 0x10F0),
    (0xAC00, 0xD7A3), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA5), (0x9FA6, 0x9FCC), (0x3400, 0x4DB5),
    (0x20000, 0x2A6D6), (0xC0, 0xFF), (0x300, 0x36F), (0x1F600, 0x1F64F), (0x2190, 0x21FF), (0x2150, 0x2188),
    (0x660, 0x669), (0x1D7CE, 0x1D7FF), (0xE000, 0xE0FF), (0x0, 0x1F), (0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60),
    (0x7B, 0x7F), (0xFF01, 0xFF5E),
]
SPACES = [*" \n\t\u00a0\u0085\u3000\ufeff\u2028\u200b\u2003", "  ", "\r\n"]
SCRAPS = [
    "def f(x):\n    return x**2  # 12345\n", '<div class="a">', '{"k": [1, 2.5e-7]}', "https://example.org/a?b=c&d=%20",
    "don't", "’s", "//", "/*", "<|", "｜", "->", "\\n", "</", "…", "$x_1$", "👩\u200d👩\u200d👧", "🇩🇪", "👍🏽", "e\u0301",
    "constructor",
]
WORDS = "the of and to in that it was his he with as for had you not be on at by which have or from this him but all".split(" ")


def mixed_text(seed: int, chunk: int, pieces: int) -> str:
    state = (0x9E3779B9 ^ (seed * 1000 + chunk + 1)) & 0xFFFFFFFF

    def below(count: int) -> int:
        nonlocal state
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        return state % count

    def pick(items):
        return items[below(len(items))]

    def repeated(count: int, make) -> str:
        return "".join([make() for _ in range(count)])

    def within(span) -> str:
        return chr(span[0] + below(span[1] - span[0] + 1))

    def script() -> str:
        span = pick(RANGES)
        return repeated(1 + below(8), lambda: within(span))

    def half() -> str:
        if below(2):
            within((0xDC00, 0xDFFF))
            return "\ufffd"
        within((0xD800, 0xDBFF))
        return "\ufffdx"

    def run(character: str) -> str:
        return character * (1 + below(9))

    def letters(character: str) -> str:
        return character * (1 + below(120))

    kinds = [
        lambda: " " + pick(WORDS),
        lambda: " " + pick(WORDS),
        lambda: repeated(1 + below(10), lambda: within((0x61, 0x7A))),
        lambda: " " + repeated(1 + below(6), lambda: within((0x41, 0x5A))),
        lambda: repeated(1 + below(12), lambda: within((0x30, 0x39))),
        lambda: repeated(1 + below(6), lambda: pick(SPACES)),
        lambda: run(pick(SPACES)),
        script,
        lambda: repeated(1 + below(4), lambda: within(pick(RANGES))),
        lambda: pick(SCRAPS),
        lambda: letters(within((0x61, 0x7A))),
        half,
    ]
    return repeated(pieces, lambda: pick(kinds)())


texts = [mixed_text(SEED, chunk, PIECES) for chunk in range(CHUNKS)]
result = {
    "seed": SEED,
    "pieces": PIECES,
    "bytes": sum(len(text.encode()) for text in texts),
    "sha256": hashlib.sha256("".join(texts).encode()).hexdigest(),
}
for name, file in FILES.items():
    tokenizer = Tokenizer.from_file(str(file))
    result[name] = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        digest = hashlib.sha256(np.array(ids, dtype="<u4").tobytes()).hexdigest()
        result[name].append(f"{len(ids)} {digest[:16]}")
print(json.dumps(result, indent=2))

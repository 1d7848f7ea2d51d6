"""What Hugging Face's `tokenizers` (0.23) makes of hard texts with the embedded checkpoint's tokenizer:

    python make.py > tokenizers.json
"""

import json
import random
from pathlib import Path

from tokenizers import Tokenizer

FILE = Path(__file__).parents[3] / "tools/demo/checkpoint/tokenizer.json"
tokenizer = Tokenizer.from_file(str(FILE))
added = [token["content"] for token in json.loads(FILE.read_text())["added_tokens"]]

# Spaces that only one of JavaScript and Unicode calls so, marks, digits, words that are properties of every
# JavaScript object, the edges of the CJK and kana ranges, unassigned and private characters.
PIECES = [
    *"aBé1٣½①計のカ한😀🇩.'\"(—…_$€＋\\[]^`~|<",
    *"\x00\x1f\x7f\x85\ufeff\xa0\u3000\u2028\u200b\u200d\u1680\u180e\u0345\uffff\ue000\u0378",
    *"龥龦\u3040ゟ゠\U00020000ßſİK",
    *["e\u0301", " ", "  ", "\n", "\r\n", "\t", "23", "हिन्दी", "👩‍👩‍👧", "'s", "don't", "<｜", "｜>"],
    *["constructor", " constructor", "__proto__", "toString", "hasOwnProperty"],
]


def vector(text: str) -> dict:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text
    return {"text": text, "ids": ids}


random.seed(20260424)
texts = ["", *(f"a{piece} b" for piece in PIECES), *added, "".join(added)]
for _ in range(120):
    count = random.randint(2, 12)
    texts.append("".join(random.choice(PIECES if random.random() < 0.93 else added) for _ in range(count)))
print("[\n" + ",\n".join(json.dumps(vector(text), separators=(",", ":")) for text in texts) + "\n]")

"""Ratios of Python's difflib over seeded pairs of texts; pairs.ts makes the same pairs.

Usage: python make.py > ratios.json
"""
import hashlib
import json
import struct
import sys
from difflib import SequenceMatcher

PAIRS, BLOCK = 10_000, 1_000
ALPHABETS = ["ab", "abc ", "abcdefghijklmnopqrstuvwxyz ", "aé中\U0001f642\U0001f643 "]


class Xorshift:
    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        x = self.state
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self.state = x
        return x % bound


def text(random, alphabet, length):
    characters = list(ALPHABETS[alphabet])
    return [characters[random.below(len(characters))] for _ in range(length)]


def mutated(random, source, edits):
    result = list(source)
    for _ in range(edits):
        kind = random.below(3)
        if kind == 0 or not result:
            result.insert(random.below(len(result) + 1), text(random, 2, 1)[0])
        elif kind == 1:
            del result[random.below(len(result))]
        else:
            position = random.below(len(result))
            result[position] = text(random, 2, 1)[0]
    return result


def pair(random, i):
    kind = i % 8
    if kind == 0:  # few characters, so many equally long matches
        alphabet = random.below(2)
        return text(random, alphabet, random.below(60)), text(random, alphabet, random.below(60))
    if kind == 1:  # one text edited
        a = text(random, 2, random.below(180))
        return a, mutated(random, a, random.below(20))
    if kind == 2:  # long, so that popular characters start no match
        b = text(random, 2, 200 + random.below(300))
        return mutated(random, b, random.below(30)), b
    if kind == 3:  # around the length from which they don't
        b = text(random, 1 + random.below(2), 197 + random.below(6))
        return mutated(random, b, 1 + random.below(4)), b
    if kind == 4:  # periodic
        return (list("ab") * random.below(40) + text(random, 0, random.below(5)), list("ba") * random.below(140))
    if kind == 5:  # beyond 16 bits
        return text(random, 3, random.below(50)), text(random, 3, random.below(50))
    if kind == 6:  # the same blocks in another order
        blocks = [text(random, 2, 1 + random.below(40)) for _ in range(4)]
        order = [blocks[random.below(4)] for _ in range(4)]
        return sum(order, []), sum(blocks, [])
    # common beginning and end of popular characters around something else
    outer = text(random, 1, 120 + random.below(120))
    inner = text(random, 2, random.below(60))
    return outer + inner + outer[:30], outer + text(random, 2, random.below(60)) + outer


def main():
    random = Xorshift(20260424)
    hashes, sample, digest = [], [], hashlib.sha256()
    for i in range(PAIRS):
        a, b = ("".join(part) for part in pair(random, i))
        ratio = SequenceMatcher(None, a, b).ratio()
        digest.update(struct.pack("<d", ratio))
        if i % 250 < 8 and i % 250 == (i // 250) % 8:
            sample.append({"pair": i, "a": a, "b": b, "ratio": ratio})
        if i % BLOCK == BLOCK - 1:
            hashes.append(digest.hexdigest())
            digest = hashlib.sha256()
    json.dump({"python": sys.version.split()[0], "sha256OfBlocks": hashes, "sample": sample}, sys.stdout, indent=1)
    print()


main()

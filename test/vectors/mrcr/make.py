"""Small tables in the form of openai/mrcr: two needle counts, several files and row groups.

Usage: python make.py FOLDER
"""
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS, GROUP = 16, 5


def row(needles, i):
    start = f"{needles}Start{i:04d}"
    wanted = f"A poem about tapirs, number {i} of {needles}.\nThe tapir \U0001f642 walks."
    messages = [{"role": "user", "content": "write a poem about tapirs"}, {"role": "assistant", "content": wanted}]
    for j in range(i):
        messages += [
            {"role": "user", "content": f"write an essay about stones, part {j}"},
            {"role": "assistant", "content": "Stones lie. " * (3 + j)},
        ]
    messages.append({"role": "user", "content": f"Prepend {start} to the 1st (1 indexed) poem about tapirs."})
    return {
        "prompt": json.dumps(messages),
        "answer": start + wanted,
        "random_string_to_prepend": start,
        "n_needles": needles,
        "desired_msg_index": 0,
        "total_messages": len(messages),
        "n_chars": sum(len(message["content"]) for message in messages),
        "date_added": "2025-12-05",
    }


def main(folder):
    for needles, compression in ((2, "snappy"), (4, "zstd")):
        # Longest first: bins must not depend on the order of rows.
        rows = [row(needles, i) for i in reversed(range(ROWS))]
        target = Path(folder) / f"{needles}needle"
        target.mkdir(parents=True, exist_ok=True)
        for part, chunk in enumerate((rows[:10], rows[10:])):
            table = pa.Table.from_pylist(chunk)
            path = target / f"{needles}needle_{part}.parquet"
            options = {"row_group_size": GROUP, "compression": compression}
            pq.write_table(table, path, use_dictionary=False, write_statistics=False, **options)


main(sys.argv[1])

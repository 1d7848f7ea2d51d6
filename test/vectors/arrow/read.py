"""What PyArrow reads in rows.arrow, which reports/arrow-writer.ts wrote: python read.py > rows.json

rows.arrow comes from V4KIT_WRITE_VECTORS=1 npx vitest run test/vectors/arrow. Made with pyarrow 26.0.1.
"""

import json
import pathlib

import pyarrow.ipc

here = pathlib.Path(__file__).parent
with pyarrow.ipc.open_file(here / "rows.arrow") as reader:
    table = reader.read_all()
    print(
        json.dumps(
            {
                "batches": reader.num_record_batches,
                "metadata": {k.decode(): v.decode() for k, v in table.schema.metadata.items()},
                "types": {field.name: str(field.type) for field in table.schema},
                "rows": table.to_pylist(),
            },
            ensure_ascii=False,
            indent=1,
        )
    )

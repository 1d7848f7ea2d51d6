"""What pyarrow reads from layers.arrow, a table that v4kit wrote: python read.py > read.json"""

import json
import pathlib

import pyarrow
import pyarrow.ipc

path = pathlib.Path(__file__).with_name("layers.arrow")
with pyarrow.ipc.open_file(path) as reader:
    table = reader.read_all()
    table.validate(full=True)
    facts = {
        "pyarrow": pyarrow.__version__,
        "batches": reader.num_record_batches,
        "metadata": {k.decode(): v.decode() for k, v in table.schema.metadata.items()},
        "fields": [[f.name, str(f.type), f.nullable] for f in table.schema],
        # As text: JSON has neither NaN nor infinities, and repr keeps every bit of a double.
        "rows": [{k: repr(v) for k, v in row.items()} for row in table.to_pylist()],
    }
print(json.dumps(facts, indent=1))

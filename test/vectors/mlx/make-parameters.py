"""
Writes parameters.json beside it: the parameters of mlx-lm's deepseek_v4 for the embedded checkpoint, with their shapes.
The model is in no release of mlx-lm yet:
pip install "mlx[cpu]" git+https://github.com/ml-explore/mlx-lm@014a10b215cc119730979e0c9f33b9d92ce708f7
"""

import json
import pathlib

from mlx.utils import tree_flatten
from mlx_lm.models.deepseek_v4 import Model, ModelArgs

here = pathlib.Path(__file__).parent
config = json.loads((here / "../../../tools/demo/checkpoint/config.json").read_text())
parameters = tree_flatten(Model(ModelArgs.from_dict(config)).parameters())
lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value.shape)}" for name, value in parameters)
(here / "parameters.json").write_text(f"{{\n{lines}\n}}\n")

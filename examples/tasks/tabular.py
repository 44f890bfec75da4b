"""A pandas frame with groups: machines of the test are in no other split."""

from pathlib import Path

import numpy as np
import pandas as pd

import hwcost
from hwcost.graph.ranges import unknown
from hwcost.quant import const_input
from hwcost.zoo.floors import floors
from hwcost.zoo.mlp import MLP
from hwcost.zoo.precision import Precision


def machines(path: Path | None) -> hwcost.Data:
    """Readings of thirty machines, and the state that each reading stands for."""
    draw = np.random.default_rng(0)
    state = draw.integers(0, 3, 1500)
    frame = pd.DataFrame({
        "machine": draw.integers(0, 30, 1500),
        "temperature": 40 + 12 * state + 6 * draw.normal(size=1500),
        "vibration": np.exp(0.6 * (state == 2) + 0.4 * draw.normal(size=1500)),
        "current": 3 + (state == 1) + 0.5 * draw.normal(size=1500),
        "running": draw.integers(0, 2, 1500),
        "state": pd.Categorical.from_codes(state, ["idle", "worn", "broken"]),
    })  # fmt: skip
    return hwcost.Data.from_frame(frame, label="state", groups="machine", name="machines")


def network(precision: Precision | None) -> MLP:
    """Quantize the standardised readings, then three layers."""
    enters = None if precision is None else const_input(bits=8, max_val=4.0, signed=True)
    return MLP((4, 16, 16, 3), precision, input_quant=enters)


recipe = hwcost.Recipe(
    name="machines", data=machines, input=unknown(), example=(4,),
    training=hwcost.Training(epochs=8, batch=32, lr=1e-2), device="PYNQ-Z1", fps=1_000_000,
    **floors(network),
)  # fmt: skip

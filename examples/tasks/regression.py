"""Numbers to predict: an error in mm, smaller is better. Sweep it: hwcost sweep examples/tasks/regression.py:recipe."""

from functools import partial
from pathlib import Path

import numpy as np

import hwcost
from hwcost.graph.ranges import unknown
from hwcost.quant import const_input
from hwcost.zoo.floors import floors
from hwcost.zoo.mlp import MLP
from hwcost.zoo.precision import Precision


def positions(path: Path | None) -> hwcost.Data:
    """Eight sensors, float64, see a position on a plate of 200 mm by 200 mm."""
    draw = np.random.default_rng(0)
    place = draw.uniform(-100, 100, (1200, 2))
    sensors = np.tanh(place @ draw.normal(size=(2, 8)) / 90 + 0.02 * draw.normal(size=(1200, 8)))
    train, validation, test = np.split(np.arange(1200), [800, 1000])
    return hwcost.Data(
        name="positions", **{
            name: hwcost.Split(sensors[rows], place[rows])
            for name, rows in (("train", train), ("validation", validation), ("test", test))
        }
    )  # fmt: skip


def network(precision: Precision | None) -> MLP:
    """Quantize the sensors, then three layers."""
    enters = None if precision is None else const_input(bits=8, max_val=1.0, signed=True)
    return MLP((8, 32, 16, 2), precision, input_quant=enters)


recipe = hwcost.Recipe(
    name="positions", data=positions, input=unknown(), task=hwcost.regression("RMSE", unit="mm"), example=(8,),
    training=hwcost.Training(epochs=12, batch=32, lr=3e-2), device="PYNQ-Z1", fps=1_000_000,
    **floors(partial(network)),
)  # fmt: skip

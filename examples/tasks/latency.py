"""Latency in microseconds as an objective, beside a depth and a learning rate that are searched; no budget."""

from pathlib import Path

from optuna.distributions import FloatDistribution, IntDistribution

import hwcost
from hwcost.graph.ranges import between
from hwcost.search import Params
from hwcost.zoo.data import digits
from hwcost.zoo.mlp import MLP
from hwcost.zoo.precision import Precision


def network(params: Params) -> MLP:
    """One hidden layer or two; `second` is read where there is a second."""
    hidden = (params["first"], params["second"]) if params["depth"] == 2 else (params["first"],)
    return MLP((64, *hidden, 10), Precision(params["bits"], params["bits"], learned=True))


def data(path: Path | None) -> hwcost.Data:
    """The digits of scikit-learn."""
    return digits()


recipe = hwcost.Recipe(
    name="latency", network=network, float_network=lambda: MLP((64, 32, 32, 10), None), data=data, input=between(0, 16),
    space={"depth": IntDistribution(1, 2), "first": IntDistribution(16, 32, step=8), "bits": IntDistribution(2, 4),
           "second": IntDistribution(16, 32, step=8), "lr": FloatDistribution(4e-3, 2e-2, log=True),
           "fps": IntDistribution(50_000, 400_000, step=50_000)},
    hardware=lambda params: {"fps": params["fps"]},
    training=lambda params: hwcost.Training(epochs=4, lr=params["lr"]),
    objectives=("accuracy", "LUT", "latency_us"), device="PYNQ-Z1", fps=100_000, example=(1, 8, 8),
)  # fmt: skip

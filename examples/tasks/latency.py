"""A conditional space under a latency budget in microseconds: the second layer is searched where there is one."""

import hwcost
from hwcost.graph.ranges import between
from hwcost.search import Asked, Params
from hwcost.zoo.data import digits
from hwcost.zoo.mlp import MLP
from hwcost.zoo.precision import Precision


def space(trial: Asked) -> None:
    """Depth, sizes, the floor of all widths, the clock and the learning rate."""
    trial.suggest_int("first", 16, 32, step=8)
    if trial.suggest_int("depth", 1, 2) == 2:
        trial.suggest_int("second", 16, 32, step=8)
    trial.suggest_int("bits", 2, 4)
    trial.suggest_float("clock_mhz", 100, 200, step=50)
    trial.suggest_float("lr", 4e-3, 2e-2, log=True)


def network(params: Params) -> MLP:
    """One hidden layer or two."""
    hidden = (params["first"], params["second"]) if params["depth"] == 2 else (params["first"],)
    return MLP((64, *hidden, 10), Precision(params["bits"], params["bits"], learned=True))


recipe = hwcost.Recipe(
    name="latency", network=network, float_network=lambda: MLP((64, 32, 32, 10), None), data=lambda path: digits(),
    space=space, constraints=lambda params: params.get("second", 0) - params["first"],  # no wider than the first
    fixed={"fc1": 8}, worst_score=0.5, budget=lambda params: {"latency_us": 2.0},  # the slowest folding that keeps it
    hardware=lambda params: {"clock_mhz": params["clock_mhz"]},
    training=lambda params: hwcost.Training(epochs=4, lr=params["lr"]),
    objectives=("score", "LUT", "latency_us"), input=between(0, 16), device="PYNQ-Z1", fps=100_000, example=(1, 8, 8),
)  # fmt: skip

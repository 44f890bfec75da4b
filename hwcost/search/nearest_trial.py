"""Choice of the finished trial whose weights a warm trial starts from."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from hwcost.errors import BadOption
from hwcost.search.protocol import Params
from hwcost.search.samplers.space import Space


def check_ordered(space: Space) -> None:
    """Warm starts need distances, so every parameter must be a whole number.

    Raises:
        BadOption: one is not, or not every trial has the same.
    """
    if not isinstance(space, Mapping):
        raise BadOption("warm starts: the space is a function; give --bits, or leave --warm out")
    for name, choices in space.items():
        if not isinstance(choices, IntDistribution):
            raise BadOption(f"warm starts: parameter {name} is no whole number; give --bits, or leave --warm out")


def nearest(params: Params, trials: Sequence[FrozenTrial], space: Space) -> tuple[int | None, float]:
    """The finished trial whose quantization steps are nearest, all together; of equals the latest.

    A step is 2**-bits of the range of its tensor: between two and three bits lies as much as between three and all.

    Args:
        params: of the trial to come.
        trials: of the study, in any state.
        space: of widths in bits; the float network counts as one with the largest of each.

    Returns:
        Number of a trial, None where the float network is nearer than any; and by how much the steps are coarser than
        there, mean over the widths, those that are finer counted as equal: 0 to 0.5.
    """
    assert isinstance(space, Mapping)  # by `check_ordered`
    mine = _steps(params, space)

    def distance(other: NDArray[np.float64]) -> float:
        return float(np.abs(mine - other).sum())

    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.params.keys() == space.keys()]
    steps = {trial.number: _steps(trial.params, space) for trial in finished}
    widest = {name: choices.high for name, choices in space.items() if isinstance(choices, IntDistribution)}
    unquantized = _steps(widest, space)
    found = min(steps, key=lambda number: (distance(steps[number]), -number), default=None)
    if found is not None and distance(unquantized) < distance(steps[found]):
        found = None
    start = unquantized if found is None else steps[found]
    return found, float(np.maximum(mine - start, 0).mean())


def _steps(widths: Params, space: Mapping[str, BaseDistribution]) -> NDArray[np.float64]:
    return 2.0 ** -np.array([int(widths[name]) for name in space], dtype=np.float64)

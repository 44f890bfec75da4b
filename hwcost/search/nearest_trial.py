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
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.params.keys() == space.keys()]
    finished.sort(key=lambda trial: -trial.number)
    widest = {name: choices.high for name, choices in space.items() if isinstance(choices, IntDistribution)}
    (mine,) = _steps([params], space)
    starts = _steps([*(trial.params for trial in finished), widest], space)
    at = int(np.abs(mine - starts).sum(1).argmin())  # of equals the first
    return finished[at].number if at < len(finished) else None, float(np.maximum(mine - starts[at], 0).mean())


def _steps(widths: Sequence[Params], space: Mapping[str, BaseDistribution]) -> NDArray[np.float64]:
    """Step of each width of each trial, (trials, widths)."""
    return 2.0 ** -np.array([[int(one[name]) for name in space] for one in widths], dtype=np.float64)

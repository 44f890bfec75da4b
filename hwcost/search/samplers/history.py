"""The trials of a study as arrays, for a sampler that models one objective and knows the costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from hwcost.search.samplers.candidates import minimal
from hwcost.search.samplers.grid import Grid, Levels
from hwcost.search.samplers.turns import params_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """Trials as arrays.

    Attributes:
        levels, losses, costs: of the finished trials, (trials, parameters), (trials,), (trials, costs).
        running: levels of the trials that run elsewhere, or will, (trials, parameters).
        tried: rows of levels of all trials, as bytes; of failed ones too, for they would fail again.
        worst: loss beyond which nothing counts; infinite where everything does.
    """

    levels: Levels
    losses: Floats
    costs: Floats
    running: Levels
    tried: frozenset[bytes]
    worst: float = np.inf

    def untried(self, levels: Levels) -> NDArray[np.bool_]:
        """Mask of the rows that no trial has, (candidates,)."""
        return np.array([row.tobytes() not in self.tried for row in levels], dtype=bool)

    @cached_property
    def front(self) -> NDArray[np.int64]:
        """The finished trials that none beats."""
        return minimal(np.column_stack([self.costs, self.losses]))

    def to_beat(self, costs: Floats) -> Floats:
        """The least loss seen at these costs or less, infinite where nothing was as cheap; (candidates,)."""
        return least_at(costs, self.costs[self.front], self.losses[self.front])

    def latest(self, most: int) -> NDArray[np.int64]:
        """Indices of at most `most` finished trials: the front, then the latest."""
        order = np.concatenate([self.front, np.arange(len(self.losses))[::-1]])
        return np.sort(order[np.sort(np.unique(order, return_index=True)[1])][:most])


def least_at(costs: Floats, known: Floats, losses: Floats) -> Floats:
    """The least of the losses known at each of these costs or less, infinite where none is; (candidates,).

    Args:
        costs: (candidates, costs).
        known, losses: (trials, costs) and (trials,).
    """
    cheaper = (known <= costs[:, None]).all(2)
    least: Floats = np.where(cheaper, losses, np.inf).min(1, initial=np.inf)
    return least


def read_history(
    grid: Grid,
    trials: Sequence[FrozenTrial],
    *,
    learned: int,
    sign: float,
    costs: Sequence[int],
    worst: float = np.inf,
) -> History:
    """The trials of exactly the grid's space; of others nothing is known.

    Args:
        grid: the space.
        trials: of a study, in any state.
        learned: the objective that is modelled; `sign` makes it a loss.
        costs: the other objectives.
        worst: as of the history.
    """
    ours = [(trial, params) for trial in trials if (params := params_of(trial, grid.space)) is not None]
    levels = grid.levels([params for _, params in ours])
    finished = np.array([trial.state.is_finished() for trial, _ in ours], dtype=bool)
    complete = [at for at, (trial, _) in enumerate(ours) if trial.state == TrialState.COMPLETE]
    values = np.array([ours[at][0].values for at in complete]).reshape(len(complete), len(costs) + 1)
    known = np.isfinite(values).all(1)
    done, values = np.array(complete, dtype=np.int64)[known], values[known]
    return History(
        levels=levels[done],
        losses=sign * values[:, learned],
        costs=values[:, list(costs)],
        running=levels[~finished],
        tried=frozenset(row.tobytes() for row in levels),
        worst=worst,
    )

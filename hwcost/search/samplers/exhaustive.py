"""A sampler that tries every combination once, in an order that follows from the combinations alone."""

from collections.abc import Mapping, Sequence
from math import gcd
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from hwcost.errors import BadOption
from hwcost.search.samplers.grid import MOST_POINTS, Grid, Levels
from hwcost.search.samplers.space import Excess
from hwcost.search.samplers.turns import in_turn, params_of

_GOLDEN = 0.6180339887498949


class EverySampler(BaseSampler):
    """Each combination of a space once; when all were tried, from the first again.

    It jumps through the space by the golden section of its size, so that any number of trials is spread over all of it.
    Unlike Optuna's grid sampler it keeps nothing in the study: what a trial gets follows from the parameters of others,
    so that a retried trial moves no other, and parallel workers do not propose the same.

    Args:
        space: name -> Optuna distribution; a range of floats is cut into 65 steps.
        excess: of constraints between parameters; combinations that break one are left out.

    Raises:
        BadOption: an empty space, one of more than 100,000 combinations, or none that keeps the constraints.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], excess: Excess | None = None) -> None:
        self._grid = Grid(space)
        if self._grid.count > MOST_POINTS:
            raise BadOption(
                f"sampler 'grid': {self._grid.count:.3g} combinations of {len(self._grid.names)} parameters; at most "
                f"{MOST_POINTS:,} make a grid, take another sampler, or a smaller space"
            )
        self._order = self._rows(np.arange(self._grid.count))
        if excess is not None:
            self._order = self._order[[excess(self._grid.params(row)) <= 0 for row in self._order]]
        if not len(self._order):
            raise BadOption("sampler 'grid': no combination keeps the constraints; widen the space, or mend them")

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole space."""
        return dict(self._grid.space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Refused: a grid has no points in a parameter that it does not know."""
        raise BadOption(f"sampler 'grid': parameter {param_name} is not in its space; name it there")

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The first combination in order that no other trial of the study has."""
        return in_turn(study, trial, self._grid.space, self._next)

    def _next(self, others: Sequence[FrozenTrial]) -> dict[str, object]:
        taken = [params for other in others if (params := params_of(other, self._grid.space)) is not None]
        rows = self._order
        if not taken:
            return self._grid.params(rows[0])
        times = np.bincount(self._indices(self._grid.levels(taken)), minlength=self._grid.count)
        return self._grid.params(rows[int(times[self._indices(rows)].argmin())])

    def _rows(self, places: Levels) -> Levels:
        """Places in the order -> levels, (places, parameters)."""
        step = max(1, round(self._grid.count * _GOLDEN))
        while gcd(step, self._grid.count) > 1:
            step += 1
        return self._grid.rows(places * step % self._grid.count)

    def _indices(self, rows: Levels) -> Levels:
        indices: Levels = np.ravel_multi_index(tuple(rows.T), tuple(self._grid.sizes)).astype(np.int64)
        return indices

"""A search space as levels: each parameter takes one of finitely many values, a candidate is a row of integers."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hwcost.errors import BadOption

Levels = NDArray[np.int64]
Column = NDArray[Any]
"""Values of one parameter: integers, floats, or objects for a categorical one."""
Candidates = Mapping[str, Column]
"""Parameter -> its value in each candidate, (candidates,); integers, floats, or objects for a categorical one."""

MOST_POINTS = 100_000
"""A space of more combinations is never listed: nobody tries them all."""

MOST_LEVELS = 65
"""A range of more values is searched on this many of them, evenly spaced on the scale of its distribution."""


class Grid:
    """The levels of a space.

    Args:
        space: name -> Optuna distribution.

    Attributes:
        names: of the parameters.
        sizes: number of levels of each, (parameters,).
        count: number of all combinations.
        ordered: whether neighbouring levels are alike, (parameters,); not so for a categorical parameter.
        places: of each level on the scale of its parameter, from 0 to 1, NaN beyond its levels; (parameters, levels).

    Raises:
        BadOption: an empty space, or no Optuna distribution.
    """

    def __init__(self, space: Mapping[str, BaseDistribution]) -> None:
        if not space:
            raise BadOption("space: empty; give name -> Optuna distribution, at least one")
        self.space = dict(space)
        self.names = tuple(space)
        self._values = [_values(name, distribution) for name, distribution in space.items()]
        self.sizes = np.array([len(values) for values in self._values])
        self.count = prod(map(len, self._values))
        self.ordered = np.array([not isinstance(entry, CategoricalDistribution) for entry in space.values()])
        self.places = np.full((len(space), int(self.sizes.max())), np.nan)
        for row, values, distribution in zip(self.places, self._values, space.values(), strict=True):
            row[: len(values)] = _places(values, distribution)

    def rows(self, indices: Levels) -> Levels:
        """Combinations by their index from 0 to `count` - 1, (indices, parameters)."""
        return np.stack(np.unravel_index(indices, tuple(self.sizes)), axis=1).astype(np.int64)

    def height(self, levels: Levels) -> NDArray[np.float64]:
        """Sum of the places of the ordered parameters, (candidates,)."""
        places: NDArray[np.float64] = np.nan_to_num(self.places)[np.arange(len(self.names)), levels]
        height: NDArray[np.float64] = places[:, self.ordered].sum(1)
        return height

    def values(self, levels: Levels) -> dict[str, Column]:
        """The candidates behind rows of levels."""
        return {name: values[column] for name, values, column in zip(self.names, self._values, levels.T, strict=True)}

    def params(self, levels: Levels) -> dict[str, Any]:
        """One row of levels as Optuna takes it."""
        return {
            name: values[level].item() if isinstance(values[level], np.generic) else values[level]
            for name, values, level in zip(self.names, self._values, levels, strict=True)
        }

    def levels(self, trials: Sequence[Mapping[str, object]]) -> Levels:
        """The nearest levels of parameters, (trials, parameters)."""
        columns = [self._nearest(at, [params[name] for params in trials]) for at, name in enumerate(self.names)]
        return np.stack(columns, axis=1)

    def _nearest(self, at: int, values: Sequence[Any]) -> Levels:
        distribution = self.space[self.names[at]]
        if isinstance(distribution, CategoricalDistribution):
            return np.array([distribution.to_internal_repr(value) for value in values], dtype=np.int64)
        places = _places(np.array(values, dtype=np.float64), distribution)
        away = np.abs(self.places[at, : self.sizes[at]] - places[:, None])
        return np.asarray(away.argmin(1), dtype=np.int64)


def _values(name: str, distribution: BaseDistribution) -> Column:
    if isinstance(distribution, CategoricalDistribution):
        choices = np.empty(len(distribution.choices), dtype=object)
        choices[:] = distribution.choices
        return choices
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        raise BadOption(
            f"space {name}: {distribution!r} is no Optuna distribution; give Int-, Float- or CategoricalDistribution"
        )
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is not None and (high - low) / step < MOST_LEVELS and not distribution.log:
        values = low + step * np.arange(round((high - low) / step) + 1)
    else:
        spread = np.geomspace if distribution.log else np.linspace
        values = spread(low, high, MOST_LEVELS)
        if step is not None:
            values = low + step * np.rint((values - low) / step)
        values = np.unique(np.clip(values, low, high))
    return values.astype(np.int64) if isinstance(distribution, IntDistribution) else values.astype(np.float64)


def _places(values: Column, distribution: BaseDistribution) -> NDArray[np.float64]:
    if isinstance(distribution, CategoricalDistribution):
        return np.arange(len(values)) / max(1, len(distribution.choices) - 1)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high = float(distribution.low), float(distribution.high)
    if low == high:
        return np.zeros(len(values))
    scaled: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if distribution.log:
        scaled, low, high = np.log(scaled), np.log(low), np.log(high)
    return (scaled - low) / (high - low)

"""Parameters to try a recipe with before anything is trained: the lowest corner of its space, then random ones."""

from collections.abc import Iterator
from random import Random
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hwcost.errors import BadRecipe
from hwcost.search import Excess, Params, Space, draft, lowest

MOST_DRAWS = 10_000
"""Random draws in a row that break a constraint, before the constraints count as out of reach."""


def kept_tries(space: Space, excess: Excess) -> Iterator[Params]:
    """The lowest or first value of each parameter, then random ones without end; those that keep the constraints.

    Raises:
        BadRecipe: none of many draws keeps them.
    """
    corner = draft(space, lowest).params
    if excess(corner) <= 0:
        yield corner
    source, broken = Random(0), 0
    while broken < MOST_DRAWS:
        drawn = draft(space, lambda _, choices: _drawn_from(choices, source)).params
        broken = broken + 1 if excess(drawn) > 0 else 0
        if not broken:
            yield drawn
    raise BadRecipe(f"constraints: none of {MOST_DRAWS:,} random draws keeps them; widen the space, or mend them")


def _drawn_from(choices: BaseDistribution, source: Random) -> Any:
    """A random value of a distribution, whatever its logarithm."""
    if isinstance(choices, CategoricalDistribution):
        return source.choice(choices.choices)
    if isinstance(choices, FloatDistribution):
        return source.uniform(choices.low, choices.high)
    assert isinstance(choices, IntDistribution)  # `fill` refuses others
    return source.randrange(choices.low, choices.high + 1, choices.step)

"""Parameters to try a recipe with: the corner of its space, then random ones, as far as they keep the constraints."""

from __future__ import annotations

from itertools import islice

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hwcost.errors import BadRecipe
from hwcost.sweep.tries import kept_tries

SPACE = {"a": IntDistribution(2, 9), "b": FloatDistribution(0.5, 4.0), "c": CategoricalDistribution(["x", "y"])}


def test_the_corner_first_and_then_anything() -> None:
    corner, *others = islice(kept_tries(SPACE, lambda params: 0.0), 40)
    assert corner == {"a": 2, "b": 0.5, "c": "x"}
    assert {one["a"] for one in others} == set(range(2, 10)) and {one["c"] for one in others} == {"x", "y"}
    assert all(0.5 <= one["b"] <= 4.0 for one in others)


def test_none_breaks_a_constraint() -> None:
    found = list(islice(kept_tries(SPACE, lambda params: params["b"] - params["a"] + 2), 40))
    assert found[0] != {"a": 2, "b": 0.5, "c": "x"} and all(one["b"] + 2 <= one["a"] for one in found)
    with pytest.raises(BadRecipe, match="none of 10,000 random draws keeps them"):
        next(kept_tries(SPACE, lambda params: 1.0))

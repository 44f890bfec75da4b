"""The levels of a search space: every value of a short range, the nearest of a long one, and back to parameters."""

from __future__ import annotations

import numpy as np
import pytest
from bit_spaces import MIXED
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hwcost.errors import BadOption
from hwcost.search.samplers.grid import MOST_LEVELS, Grid


def test_levels_hold_every_value_of_a_short_range() -> None:
    grid = Grid(MIXED)
    assert grid.sizes[[0, 1, 4, 5]].tolist() == [7, 4, 3, 1]
    assert grid.ordered.tolist() == [True, True, True, True, False, True]
    rows = np.random.default_rng(0).integers(0, grid.sizes, (200, len(MIXED)))
    params = [grid.params(row) for row in rows]
    assert (grid.levels(params) == rows).all()
    for row in params:
        for name, distribution in MIXED.items():
            assert distribution._contains(distribution.to_internal_repr(row[name]))
        assert type(row["bits"]) is int and type(row["rate"]) is float
    values = grid.values(rows)
    assert all(values[name][7] == params[7][name] for name in MIXED)
    assert grid.values(rows[:1])["wide"].dtype == np.int64


def test_values_between_levels_go_to_the_nearest() -> None:
    grid = Grid({"rate": FloatDistribution(1e-4, 1e-1, log=True)})
    (level,) = grid.levels([{"rate": 3.1e-3}])[0]
    rates = grid.values(np.arange(grid.sizes[0])[:, None])["rate"]
    assert abs(np.log(rates[level] / 3.1e-3)) == np.abs(np.log(rates / 3.1e-3)).min()


def test_rows_count_through_all_combinations() -> None:
    grid = Grid({"a": IntDistribution(2, 4), "kind": CategoricalDistribution(["x", "y"])})
    assert grid.count == 6
    found = [grid.params(row) for row in grid.rows(np.arange(6))]
    assert found == [{"a": a, "kind": kind} for a in (2, 3, 4) for kind in "xy"]


def test_height_is_the_sum_of_the_ordered_places() -> None:
    grid = Grid({"a": IntDistribution(2, 6), "kind": CategoricalDistribution(["x", "y"]), "b": IntDistribution(1, 5)})
    assert grid.height(np.array([[0, 1, 0], [1, 0, 4], [4, 1, 4]])).tolist() == [0, 1.25, 2]


def test_a_long_range_is_cut_into_levels_with_both_ends() -> None:
    grid = Grid({"n": IntDistribution(0, 1000), "step": IntDistribution(0, 1000, step=10)})
    values = grid.values(np.stack([np.arange(MOST_LEVELS)] * 2, axis=1))
    for name, step in (("n", 1), ("step", 10)):
        assert (values[name][0], values[name][-1], len(set(values[name]))) == (0, 1000, MOST_LEVELS)
        assert not (values[name] % step).any()


def test_what_is_no_space_is_refused() -> None:
    with pytest.raises(BadOption, match="space: empty"):
        Grid({})
    with pytest.raises(BadOption, match=r"space a: \(2, 8\) is no Optuna distribution"):
        Grid({"a": (2, 8)})  # type: ignore[dict-item] # what a user may give

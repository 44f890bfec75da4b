"""The sampler of every combination: each once, spread over the space, and then from the first again."""

from __future__ import annotations

from itertools import product
from math import prod
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna_study import uninterrupted

from hwcost.errors import BadOption
from hwcost.search.samplers.exhaustive import EverySampler


def test_a_grid_tries_all_there_is_once_and_then_begins_again(tmp_path: Path) -> None:
    space = {"bits": IntDistribution(2, 8, step=2), "kind": CategoricalDistribution(["int", "ternary"])}
    lr = {"lr": FloatDistribution(1e-2, 1e-2)}
    rows = [row["params"] for row in uninterrupted(tmp_path / "grid", 10, sampler="grid", space={**space, **lr})]
    seen = [(row["bits"], row["kind"]) for row in rows]
    assert set(seen[:8]) == {(bits, kind) for bits in (2, 4, 6, 8) for kind in ("int", "ternary")}
    assert seen[8:] == seen[:2]


@pytest.mark.parametrize("sizes", [(4, 5), (3, 3, 3), (1, 7), (8,)])
def test_every_combination_is_proposed_once(sizes: tuple[int, ...]) -> None:
    space = {f"p{at}": IntDistribution(1, size) for at, size in enumerate(sizes)}
    study = optuna.create_study(sampler=EverySampler(space))
    found = [tuple(study.ask(space).params.values()) for _ in range(prod(sizes))]
    assert sorted(found) == list(product(*(range(1, size + 1) for size in sizes)))


def test_what_is_no_part_of_the_grid_is_refused() -> None:
    study = optuna.create_study(sampler=EverySampler({"a": IntDistribution(1, 3)}))
    with pytest.raises(BadOption, match="parameter b is not in its space"):
        study.ask({"a": IntDistribution(1, 3)}).suggest_int("b", 0, 1)
    with pytest.raises(BadOption, match=r"1.05e\+06 combinations of 4 parameters; at most 100,000"):
        EverySampler({name: IntDistribution(1, 32) for name in "abcd"})

"""The parts of a bill."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from block_strategies import dense

from hwcost.errors import BadOption
from hwcost.models import FORMULAS, RESOURCES, Dataflow, Fold, Placed
from hwcost.models.explain import lut_parts
from hwcost.ranges import integers
from hwcost.spec import Block, Thresholds


def test_parts_sum_up_to_the_price() -> None:
    unit = dense(16, 64)
    act = Thresholds(channels=16, vectors=1, input=unit.acc, output=integers(3, signed=False))
    items = [Placed("fc", unit), Placed("fc", act)]
    model = Dataflow(device="xc7z020", folding={"fc": Fold(4, 8)})
    parts = lut_parts(model, items)
    assert [sum(part.values()) for part in parts] == model.price(items)["LUT"].tolist()
    assert set(parts[0]) == {"multipliers", "adders", "accumulators", "replay", "weights", "control"}
    assert set(parts[1]) == {"control", "comparators", "thresholds"}
    assert parts[0]["multipliers"] == max(parts[0].values())


class Mystery(Block):
    """A block of the user's."""


def test_a_formula_without_parts_is_refused() -> None:
    def price(jobs: Any, setting: Any) -> dict[str, torch.Tensor]:
        return {name: torch.zeros(len(jobs), dtype=torch.float64) for name in RESOURCES}

    model = Dataflow(device="xc7z020", folding={}, formulas=dict(FORMULAS) | {Mystery: price})
    with pytest.raises(BadOption, match="odd: the formula of Mystery does not say"):
        lut_parts(model, [Placed("odd", Mystery())])

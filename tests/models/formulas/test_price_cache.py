"""What is remembered is what the laws say, value and slope."""

from __future__ import annotations

from typing import Any

import torch
from block_strategies import COORDINATES, bits, build, geometries
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.graph.spec import MatVec
from hwcost.models import FORMULAS, RESOURCES, Dataflow, Fold, Formula, Placed


@settings(max_examples=100, deadline=None)
@given(geometries(), st.lists(st.integers(2, 12), min_size=4, max_size=4), st.sampled_from(("lut", "dsp")))
def test_memo_equals_the_laws(g: dict[str, Any], widths: list[int], multipliers: str) -> None:
    leaves = [bits(width) for width in widths[: COORDINATES[g["kind"]]]]
    items = [Placed("unit", build(g, leaves))]
    folding = {"unit": Fold()} if isinstance(items[0].block, MatVec) else {}
    model = Dataflow(device="ZCU104", folding=folding, multipliers=multipliers)
    formula = FORMULAS[type(items[0].block)]
    assert isinstance(formula, Formula)
    direct = formula(model.plan(items), model.setting)
    for _ in range(2):  # the second time from memory
        bill = model.price(items)
        for name in RESOURCES:
            assert float(bill[name].detach()) == float(direct[name].detach())
            if direct[name].requires_grad:
                wanted = torch.autograd.grad(direct[name].sum(), leaves, allow_unused=True, retain_graph=True)
                found = torch.autograd.grad(bill[name].sum(), leaves, allow_unused=True, retain_graph=True)
                for want, slope in zip(wanted, found, strict=True):
                    torch.testing.assert_close(
                        torch.zeros(()).double() if slope is None else slope,
                        torch.zeros(()).double() if want is None else want,
                        rtol=1e-12,
                        atol=1e-12,
                    )


def test_a_full_memory_is_emptied(monkeypatch: Any) -> None:
    monkeypatch.setattr("hwcost.models.formulas.price_cache.MOST_ENTRIES", 2)
    model = Dataflow(device="xc7z020", folding={"unit": Fold()})
    geometry: dict[str, Any] = {"kind": "matvec", "rows": 4, "cols": 8, "groups": 1, "vectors": 1, "narrow": False}
    for width in (2, 3, 4, 5, 2):
        items = [Placed("unit", build(geometry, [bits(width), bits(4), bits(12)]))]
        assert float(model.price(items)["LUT"].detach()) == model.reference(items)[0]["LUT"]

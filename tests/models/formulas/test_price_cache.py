"""What is remembered is what the laws say, value and slope."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from block_strategies import COORDINATES, bits, build, geometries
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.graph.ranges import integers
from hwcost.graph.spec import Adder, MatVec
from hwcost.models import FORMULAS, RESOURCES, Dataflow, Fold, Formula, Job, Placed
from hwcost.models.formulas.price_cache import PriceMemo


@pytest.mark.slow
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


def lanes(simd: int, width: float) -> Job:
    geometry: dict[str, Any] = {"kind": "matvec", "rows": 4, "cols": simd, "groups": 1, "vectors": 1, "narrow": False}
    return Job("unit", build(geometry, [bits(width), bits(4), bits(12)]), Fold(1, simd))


def test_more_jobs_than_are_remembered() -> None:
    setting = Dataflow(device="xc7z020", folding={}).setting
    formula = FORMULAS[MatVec]
    assert isinstance(formula, Formula)
    jobs = [lanes(simd, width) for simd in (1, 2, 3) for width in range(2, 7)] * 2
    memo = PriceMemo(setting, most=4)
    for _ in range(2):
        found = memo.price([formula] * len(jobs), jobs)
        assert found is not None
        for row, job in zip(found.detach().tolist(), jobs, strict=True):
            assert row == list(formula.reference(job, setting).values())


@pytest.mark.slow
def test_66_000_jobs_in_one_call() -> None:
    model = Dataflow(device="xc7z020", folding={})
    source = range(66_000)
    element = integers(4, signed=False)
    blocks = [Adder(channels=n + 1, vectors=1, left=element, right=element, output=element) for n in source]
    bill = model.price_jobs([Job("add", block, Fold()) for block in blocks])
    assert bill["cycles"].tolist() == [n + 1 for n in source]
    assert len(bill["LUT"].unique()) == 1

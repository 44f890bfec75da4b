"""Slopes in python numbers equal those of autograd on the smooth tensors, and a difference quotient."""

from __future__ import annotations

from operator import add, ge, gt, le, lt, mul, sub, truediv
from typing import Any

import pytest
import torch
from block_strategies import COORDINATES, bits, build, geometries
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.graph.spec import MatVec
from hwcost.models import FORMULAS, RESOURCES, Dataflow, Formula, Placed
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.dual_numbers import Slope


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    geometries(),
    st.lists(st.integers(1, 16), min_size=4, max_size=4),
    st.fixed_dictionaries(
        {
            "multipliers": st.sampled_from(("lut", "dsp")),
            "weight_memory": st.sampled_from(("auto", "lutram", "bram18", "uram", "external")),
            "thresholds": st.sampled_from(("search", "parallel")),
            "flow": st.sampled_from(("rtl", "hls")),
            "device": st.sampled_from(("xc7z020", "ZCU104", "VCK190", "ecp5-85k")),
            "writable": st.just(True),  # as the URAM of most parts wants it
        }
    ).filter(lambda options: options["device"] != "ecp5-85k" or options["flow"] == "rtl"),
    st.integers(0, 10_000),
)
def test_equal_to_autograd(g: dict[str, Any], widths: list[int], options: dict[str, Any], choice: int) -> None:
    floor = 2 if g["kind"] in ("matvec", "depthwise") else 1
    leaves = [bits(max(width, floor)) for width in widths[: COORDINATES[g["kind"]]]]
    block = build(g, leaves)
    formula = FORMULAS[type(block)]
    assert isinstance(formula, Formula)
    folds = formula.folds(block)
    folding = {"unit": folds[choice % len(folds)]} if isinstance(block, MatVec) else {}
    model = Dataflow(folding=folding, **options)
    (job,) = model.plan([Placed("unit", block)])
    given_widths = torch.stack(formula.widths(block)).to(torch.float64).detach().requires_grad_()
    found = formula.slopes(given_widths.tolist(), formula.geometry(job, model.setting), model.setting)
    bill = formula([job], model.setting)
    own = formula.widths(block)
    for name in RESOURCES:
        wanted: tuple[Any, ...] = (None,) * len(own)
        if bill[name].requires_grad:
            learned = [width for width in own if width.requires_grad]
            grads = iter(torch.autograd.grad(bill[name].sum(), learned, allow_unused=True, retain_graph=True))
            wanted = tuple(next(grads) if width.requires_grad else None for width in own)
        for slope, want, width in zip(found[name], wanted, own, strict=True):
            if width.requires_grad:
                assert slope == pytest.approx(0.0 if want is None else float(want), rel=1e-11, abs=1e-11), name


@pytest.mark.parametrize("operation", [add, sub, mul, truediv])
def test_operations(operation: Any) -> None:
    a, b, tiny = 3.0, 7.0, 1e-6
    both = operation(Slope(a, (1.0, 0.0)), Slope(b, (0.0, 1.0)))
    assert both.value == operation(a, b)
    quotients = [(operation(a + tiny, b) - operation(a, b)) / tiny, (operation(a, b + tiny) - operation(a, b)) / tiny]
    assert both.parts == pytest.approx(quotients, rel=1e-5)
    left, right = operation(Slope(a, (1.0,)), b), operation(a, Slope(b, (1.0,)))
    assert (left.value, right.value) == (operation(a, b), operation(a, b))
    assert [*left.parts, *right.parts] == pytest.approx(quotients, rel=1e-5)


@pytest.mark.parametrize("compare", [lt, le, gt, ge])
def test_comparisons_are_those_of_the_values(compare: Any) -> None:
    for a, b in ((1.0, 2.0), (2.0, 2.0), (3.0, 2.0)):
        assert compare(Slope(a, (1.0,)), Slope(b, (0.0,))) == compare(Slope(a, (1.0,)), b) == compare(a, b)
    assert Slope(2.0, (1.0,)) == 2.0 and Slope(2.0, (1.0,)) != Slope(3.0, (1.0,))


def test_power_of_two() -> None:
    power = EXACT.exp2(Slope(3.0, (1.0,)))
    assert power.value == 8 and power.parts[0] == pytest.approx(8 * 0.6931471805599453)
    assert EXACT.exp2(3.0) == 8

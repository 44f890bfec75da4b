"""The fit finds the constants that made the figures, and agrees with the law of a unit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hwcost.errors import BadOption
from hwcost.models import Dataflow, Fold, Placed
from hwcost.models.calibrate import FITTED, UnitFit, fit_units, unit_terms
from hwcost.models.coefficients import values
from hwcost.ranges import binary, integers
from hwcost.spec import MatVec

UNITS = [
    (w, a, pe, simd, 64, 32, acc)
    for (w, a), pe, simd, acc in itertools.product(((1, 1), (1, 4), (4, 4)), (1, 4, 32), (1, 8, 64), (8, 16))
]


@pytest.mark.parametrize("flow", ["rtl", "hls"])
@pytest.mark.parametrize("sizes", UNITS[::7])
def test_terms_are_those_of_the_law(flow: str, sizes: tuple[int, ...]) -> None:
    w, a, pe, simd, cols, rows, acc = sizes
    weight = binary() if w == 1 else integers(w, signed=True)
    inputs = binary() if a == 1 else integers(a, signed=False)
    unit = MatVec(rows=rows, cols=cols, weight=weight, input=inputs, acc=integers(acc, signed=True))
    model = Dataflow(device="xc7z020", folding={"u": Fold(pe, simd)}, flow=flow, weight_memory="external")
    fit = UnitFit(tuple(values(flow)[name] for name in FITTED))
    lut = float(model.price([Placed("u", unit)])["LUT"])
    assert 0 <= lut - fit.predict(unit_terms(w, a, pe, simd, cols, rows, acc)) < 5  # five parts, each rounded up


def test_fit_recovers_known_constants() -> None:
    truth = UnitFit((40.0, 1.5, 0.3, 2.0))
    terms = [unit_terms(*sizes) for sizes in UNITS]
    found = fit_units(terms, [truth.predict(t) for t in terms])
    assert found.constants == pytest.approx(truth.constants, rel=1e-9)


def test_fit_is_never_negative() -> None:
    terms = [unit_terms(*sizes) for sizes in UNITS]
    source = np.random.default_rng(0)
    for _ in range(20):
        measured = [t.arithmetic + float(source.uniform(1, 500)) for t in terms]
        assert min(fit_units(terms, measured).constants) >= 0


def test_too_few_units() -> None:
    with pytest.raises(BadOption, match="give at least 4"):
        fit_units([unit_terms(*UNITS[0])], [100.0])

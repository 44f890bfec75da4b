"""The fit finds the constants that made the figures; the shipped constants are its outcome on the shipped corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from left_out import left_out, precision

from hwcost.errors import BadOption
from hwcost.models.calibration.corpus import Measured, read
from hwcost.models.calibration.fit import (
    STAGES,
    Stage,
    columns,
    errors,
    fit,
    priced,
    solve,
)
from hwcost.models.calibration.unit_prices import group_of, price
from hwcost.models.formulas.coefficients import values
from hwcost.models.formulas.dual_numbers import Slope

CORPUS = Path(__file__).parents[3] / "reports" / "calibration" / "corpus.csv"
ROWS = read(CORPUS)
MATVEC = STAGES[0]


def rows_of(group: str) -> list[Measured]:
    return [row for row in ROWS if group_of(row.unit) == group]


@pytest.mark.slow
def test_the_shipped_constants_are_the_fit_of_the_shipped_corpus() -> None:
    for flow, constants in fit(ROWS).items():
        for name, value in constants.items():
            assert values(flow)[name] == pytest.approx(value, abs=2e-3), (flow, name)


@pytest.mark.parametrize(
    ("group", "resource", "most"),
    [
        ("matvec", "LUT", 0.055),
        ("constant", "LUT", 0.10),
        ("thresholds parallel", "LUT", 0.05),
        ("thresholds search", "LUT", 0.05),
        ("window serial", "LUT", 0.10),
        ("window parallel", "LUT", 0.10),
        ("unit rtl", "LUT", 0.15),
        ("control", "LUT", 0.13),
        ("unit hls", "LUT", 0.15),
    ],
)
def test_errors_on_the_shipped_corpus(group: str, resource: str, most: float) -> None:
    found = errors(priced(rows_of(group))).set_index("resource")
    assert found["MAPE"][resource] <= most
    assert not group.startswith("matvec") or found["Spearman"][resource] >= 0.98


def test_memories_are_exact() -> None:
    found = errors(priced(rows_of("memory bram18"))).set_index("resource")
    assert found["exact"]["BRAM18"] >= 0.95


@pytest.mark.slow
def test_whole_precisions_and_shapes_left_out() -> None:
    rows = [row for row in rows_of("matvec") if row.amounts["LUT"] >= 4]
    measured = np.array([row.amounts["LUT"] for row in rows])
    for key in (precision, lambda unit: str(unit.simd)):
        predicted = left_out(rows, MATVEC, key, values("rtl"))
        known = np.isfinite(predicted)  # the product of two bipolar operands has a constant of its own
        assert known.mean() >= 0.85
        assert np.abs(predicted / measured - 1)[known].mean() <= 0.05


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.groups[0])
def test_every_law_is_linear_in_its_constants(stage: Stage) -> None:
    rows = [row for row in ROWS if group_of(row.unit) in stage.groups][:12]
    terms, rest = columns(rows, stage, values(stage.flow))
    whole = terms @ np.array([values(stage.flow)[name] for name in stage.names]) + rest
    unrounded = {name: Slope(value, ()) for name, value in values(stage.flow).items()}
    assert whole == pytest.approx([price(r.unit, r.family, unrounded)["LUT"].value for r in rows], rel=1e-9)
    rounded = [price(r.unit, r.family, values(stage.flow))["LUT"] for r in rows]
    assert whole == pytest.approx(rounded, rel=1e-9, abs=3)


@pytest.mark.slow
def test_the_fit_recovers_known_constants_and_is_not_bent_by_one_odd_unit() -> None:
    rows = rows_of("matvec")
    terms, rest = columns(rows, MATVEC, values("rtl"))
    truth = np.linspace(0.5, 1.5, len(MATVEC.names))
    made = terms @ truth + rest
    assert solve(terms, rest, made) == pytest.approx(truth, rel=1e-4)
    made[3] *= 3
    assert solve(terms, rest, made) == pytest.approx(truth, rel=0.1)


@pytest.mark.slow
def test_constants_are_never_negative() -> None:
    rows = rows_of("matvec")
    source = np.random.default_rng(0)
    for _ in range(3):
        noisy = [replace(row, amounts={"LUT": int(source.integers(4, 3000))}) for row in rows]
        assert min(fit(noisy, [MATVEC])["rtl"].values()) >= 0


def test_too_few_units() -> None:
    with pytest.raises(BadOption, match="larger corpus"):
        fit(rows_of("matvec")[:3], [MATVEC])

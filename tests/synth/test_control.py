"""Counters of a matrix-vector unit and the loader of its weights."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit


@pytest.mark.parametrize(
    "unit",
    [
        Unit(kind="control", structure="loader", geometry="5x70x3"),
        Unit(kind="control", structure="loader", geometry="9x7x1"),
        Unit(kind="control", geometry="5x3x15"),
        Unit(kind="control", geometry="1x4x4"),
        Unit(kind="control", geometry="7x1x7"),
    ],
    ids=lambda unit: f"{unit.kind}-{unit.structure}-{unit.geometry}",
)
def test_words_are_stored_once_and_every_weight_has_its_turn(unit: Unit) -> None:
    assert prove(unit)

"""Memories in RTL: what is written is read, from every kind of them."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit
from hwcost.synth.memory import STYLES, contents


@pytest.mark.parametrize(
    "unit",
    [
        Unit(kind="memory", structure="bram18", geometry="133x7"),
        Unit(kind="memory", structure="uram", geometry="150x9"),
        Unit(kind="memory", structure="spram", geometry="45x6"),
        Unit(kind="memory", structure="ram", geometry="1x6"),
        Unit(kind="memory", structure="rom", geometry="20x5"),
    ],
    ids=lambda unit: f"{unit.kind}-{unit.structure}-{unit.geometry}",
)
def test_every_word_is_read_back(unit: Unit) -> None:
    assert prove(unit)
    assert unit.structure in STYLES


def test_contents_are_random_and_always_the_same() -> None:
    words = contents(300, 8)
    assert words == contents(300, 8) != contents(300, 9)
    assert all(0 <= word < 256 for word in words) and len(set(words)) > 150

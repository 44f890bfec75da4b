"""Units drawn for the corpus are legal, and their RTL is right."""

from __future__ import annotations

from random import Random

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.synth import random_elements
from hwcost.synth.random_elements import curve


@pytest.mark.parametrize("kind", ["multiplier", "table"])
def test_small_units_are_right(kind: str) -> None:
    random = Random(kind)
    assert all(prove(getattr(random_elements, kind)(random), vectors=4) for _ in range(3))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["channel_sum", "reorder", "pad"])
def test_units_are_right(kind: str) -> None:
    random = Random(kind)
    assert all(prove(getattr(random_elements, kind)(random), vectors=4) for _ in range(6))


def test_a_curve_falls_and_rises() -> None:
    words = [int(word) for word in curve(6, 6, 6.0).split()]
    assert len(words) == 64 and min(words) < 0 < words[-1] == max(words) and words[0] > min(words)

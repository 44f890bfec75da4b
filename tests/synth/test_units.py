"""The RTL of every kind of block equals integer arithmetic on random numbers; kind by kind in files of their own."""

from __future__ import annotations

from random import Random

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import BENCHES, prove

from hwcost.models.calibration.corpus import KINDS
from hwcost.synth.design import GROUPS
from hwcost.synth.units import BUILDERS


def test_every_kind_is_built_and_simulated() -> None:
    assert set(BUILDERS) == set(BENCHES) == set(KINDS) - {"unit"}  # a whole unit is only read from publications


@pytest.mark.slow
@pytest.mark.parametrize("group", sorted(set(GROUPS) - {"matvec", "dsp", "block_ram", "deep_ram", "ultra_ram"}))
@pytest.mark.parametrize("draw", range(4))
def test_units_of_the_corpus(group: str, draw: int) -> None:
    random = Random(f"{group} {draw}")
    while True:
        unit = GROUPS[group](random)
        cells = [size for numbers in unit.numbers for size in numbers]
        if max(cells, default=0) <= 64 and not (unit.kind == "window" and unit.numbers[1][0] > 12):
            break
    assert prove(unit, vectors=4)

"""Laws of buffers that are read again, of paddings and crops."""

from __future__ import annotations

from typing import Any

import pytest

from hwcost.graph.blocks import Pad, Reorder, Repeat
from hwcost.graph.ranges import integers
from hwcost.models.formulas.formula import Fold, Job, Setting
from hwcost.models.formulas.order import BufferFormula, PadFormula

RTL = Setting("DSP48E2", "search", "rtl", "shared")


def repeat(bits: int, side: int = 4) -> Repeat:
    return Repeat(channels=4, image=(3, side), factors=(2, 2), input=integers(bits, signed=False))


def pad(bits: int) -> Pad:
    wire = integers(bits, signed=False)
    return Pad(sides=(4, 6, 6), pads=((-2, 0), (1, 1), (0, 1)), input=wire, output=wire)


@pytest.mark.parametrize("name", ["repeat", "pad"])
def test_exact_at_whole_widths_and_never_less_for_a_bit_more(name: str) -> None:
    laws: dict[str, tuple[Any, Any]] = {"repeat": (BufferFormula(), repeat), "pad": (PadFormula(), pad)}
    law, make = laws[name]
    before = None
    for bits in range(1, 12):
        job = Job("layer", make(bits), Fold(2))
        found = {key: float(value) for key, value in law([job], RTL).items()}
        assert found == {key: float(value) for key, value in law.reference(job, RTL).items()}
        assert before is None or all(found[key] >= before[key] for key in found)
        before = found


def test_two_halves_of_a_line_in_lut_ram_or_block_ram() -> None:
    law = BufferFormula()
    small, large = (law.reference(Job("layer", repeat(4, side), Fold(4)), RTL) for side in (4, 40))
    assert small["LUTRAM"] > 0 == small["BRAM18"] and large["BRAM18"] > 0 == large["LUTRAM"]
    assert small["cycles"] == 6 * 8 and [fold.pe for fold in law.folds(repeat(4))] == [1, 2, 4]


def test_what_stays_together_bounds_the_parallelism() -> None:
    block = Reorder(channels=4, vectors=64, held=128, lanes=2, input=integers(4, signed=False))
    assert [fold.pe for fold in BufferFormula().folds(block)] == [1, 2]
    assert [fold.pe for fold in PadFormula().folds(pad(4))] == [1, 2]
    assert PadFormula().cycles(pad(4), Fold(2)) == 4 // 2 * 8 * 7

"""Drawn windows, memories and streams: units that can be built."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from random import Random

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no unit was drawn; pip install 'hwcost[synth]'")

from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.calibration.unit_prices import block_of, price
from hwcost.models.formulas.coefficients import values
from hwcost.synth import random_streams
from hwcost.synth.random_streams import (
    block_ram,
    control,
    copy,
    deep_ram,
    fifo,
    label,
    lut_ram,
    pool,
    ultra_ram,
    window,
)

EVERY: dict[str, Callable[[Random], Unit]] = {
    name: draw
    for name, draw in vars(random_streams).items()
    if getattr(draw, "__module__", "") == random_streams.__name__ and name[0] != "_" and name != "window"
}
EVERY |= {f"{structure} window": window(structure) for structure in ("serial", "parallel")}


@pytest.mark.parametrize("name", EVERY)
def test_every_draw_has_a_price_and_follows_from_its_seed(name: str) -> None:
    draw = EVERY[name]
    drawn = [draw(Random(seed)) for seed in range(30)]
    assert drawn == [draw(Random(seed)) for seed in range(30)] and len(set(drawn)) > 3
    for unit in drawn:
        assert all(float(amount) >= 0 for amount in price(unit, "xcup", values("rtl")).values())


def test_windows_show_more_than_one_place_and_are_not_too_wide() -> None:
    for structure in ("serial", "parallel"):
        for seed in range(40):
            unit = window(structure)(Random(seed))
            block = block_of(unit)
            assert min(block.output) >= 2 and block.channels % unit.simd == 0
            shown = prod(block.kernel) if structure == "parallel" else 1
            assert unit.simd * float(wire(unit.input).bits) * shown <= 600


def test_sizes_by_kind() -> None:
    for seed in range(60):
        for draw, styles in ((block_ram, {"bram18", "uram"}), (deep_ram, {"bram18"}), (ultra_ram, {"uram"}),
                             (lut_ram, {"ram", "spram", "rom"})):  # fmt: skip
            assert draw(Random(seed)).structure in styles
        ((words, folds, depth),) = control(Random(seed)).numbers
        assert words * folds == depth
        ((depth, _),) = (unit := fifo(Random(seed))).numbers
        assert (unit.structure == "srl") == (depth <= 256)
        most = pool(Random(seed))
        assert most.simd in (1, prod(most.numbers[0])) and copy(Random(seed)).numbers[0][0] >= 2
        assert (one := label(Random(seed))).numbers[0][0] % one.pe == 0

"""Delays of families: all positive, with a source, and of the kinds that the device table has."""

from __future__ import annotations

from hwcost.models.device import devices
from hwcost.models.formulas.fabric import FABRICS
from hwcost.models.timing.delays import families


def test_every_family_has_delays_above_zero_and_says_where_they_come_from() -> None:
    for kind, found in families().items():
        amounts = (found.register, found.level, found.chain, found.carry, found.block_ram, found.dsp, found.load)
        assert min(amounts) > 0
        assert found.source and found.error and 1 <= found.margin <= 2
        assert kind in FABRICS


def test_newer_fabric_is_faster() -> None:
    old, new, small = (families()[kind] for kind in ("DSP48E1", "DSP48E2", "MULT18X18D"))
    assert new.level < old.level and new.chain < old.chain < 2 * small.chain


def test_parts_of_seven_series_and_ultrascale_plus_are_timed() -> None:
    kinds = {part.dsp_kind for part in devices()}
    assert {"DSP48E1", "DSP48E2"} <= kinds & families().keys()

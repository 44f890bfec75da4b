"""Each block of a network on sequences has a unit that measures it, and whose RTL can be built."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was built; pip install 'hwcost[synth]'")

import torch
from sequence_networks import CASES, built

import hwcost
from hwcost.models import Dataflow, place, target_fps
from hwcost.synth.parts import parts
from hwcost.synth.units import build

WANTED = {"layer norm of 17": "inverse", "attention": "held", "lstm": "table", "gru": "multiplier", "tagger": "memory"}


@pytest.mark.parametrize("name", WANTED)
def test_every_block_has_units_that_can_be_built(name: str) -> None:
    case = CASES[name]
    pipeline = hwcost.trace(built(name), case.batch(1), input_range=case.wire)
    with torch.no_grad():
        placed = place(pipeline.layers())
    found = parts(placed, Dataflow(device="ZCU104", folding=target_fps(pipeline, 20_000)))
    assert {part.block for part in found if part.terms is None} <= {"State"}  # one word is a register
    units = {unit.kind: unit for part in found for _, unit in part.terms or ()}
    assert WANTED[name] in units
    assert build(units[WANTED[name]]).rtlil()

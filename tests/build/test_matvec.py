"""Matrix-vector units: words of weights, and addresses a cycle ahead; whole units are simulated in test_layers.py."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

import torch
from accelerated import built, folded, traced
from amaranth.hdl import Const, Signal
from amaranth.sim import Simulator, SimulatorContext

from hwcost.build.matvec import following
from hwcost.synth.circuit import Circuit
from hwcost.synth.memory import packed


def test_a_word_has_its_first_code_in_the_lowest_bits() -> None:
    assert packed(torch.tensor([[1, 2, 3], [0, 1, 0]]), 2) == [0b11_10_01, 0b00_01_00]


@pytest.mark.parametrize(("at", "step", "wanted"), [(0, 1, 1), (1, 0, 1), (4, 1, 0), (4, 0, 4)])
def test_the_address_of_the_next_cycle(at: int, step: int, wanted: int) -> None:
    circuit, found = Circuit(), []
    address = Signal(3, init=at)
    circuit.output("y", following(address, Const(step), 5))

    async def look(context: SimulatorContext) -> None:
        await context.delay(1e-6)
        found.append(context.get(circuit.outputs["y"]))

    simulator = Simulator(circuit.module)
    simulator.add_testbench(look)
    simulator.run()
    assert found == [wanted]


def test_a_unit_reads_and_writes_words_of_its_fold() -> None:
    pipeline = traced("dense")
    model = folded(pipeline, 40)
    for node in built(pipeline, model).layout.nodes:
        if node.name.endswith("matvec"):
            fold = model.folding[node.job.layer]
            assert (node.frame.entering[0].lanes, node.frame.leaving[0].lanes) == (fold.simd, fold.pe)

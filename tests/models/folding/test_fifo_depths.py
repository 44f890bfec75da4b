"""Depths of FIFOs, against a simulation of both sides, cycle by cycle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
import torch
from block_strategies import dense
from torch import Tensor, nn

from hwcost import estimate, trace
from hwcost.graph.ranges import integers
from hwcost.graph.spec import (
    Block,
    Layer,
    LayerSpec,
    Link,
    MatVec,
    Signal,
    Window,
)
from hwcost.models import Dataflow, Fold, place, target_fps
from hwcost.models.folding.fifo_depths import REGISTERED
from hwcost.quant import QuantAdd, QuantConv2d, QuantIdentity, const_activation, const_weight


@dataclass
class Node:
    """Works through its operations, one per cycle: (words it reads, words it writes); waits where it must."""

    operations: list[tuple[int, int]]
    at: int = 0
    frames: int = 0


def interval(writer: list[tuple[int, int]], reader: list[tuple[int, int]], room: int, frames: int = 8) -> float:
    """Cycles per frame, once the link has settled."""
    first, second, held = Node(writer), Node(reader), 0
    ends: list[int] = []
    cycle = 0
    while second.frames < frames:
        cycle += 1
        needs, _ = second.operations[second.at]
        if held >= needs:
            held -= needs
            _step(second)
            if second.at == 0:
                ends.append(cycle)
        _, gives = first.operations[first.at]
        if held + gives <= room:
            held += gives
            _step(first)
    return (ends[-1] - ends[frames // 2 - 1]) / (frames - frames // 2)


def _step(node: Node) -> None:
    node.at += 1
    if node.at == len(node.operations):
        node.at, node.frames = 0, node.frames + 1


def unit_reads(unit: MatVec, fold: Fold) -> list[tuple[int, int]]:
    folds, passes = unit.cols // fold.simd, unit.rows // fold.pe
    return ([(1, 0)] * folds + [(0, 0)] * folds * (passes - 1)) * unit.vectors


def evenly(words: int, cycles: int) -> list[tuple[int, int]]:
    """Writes spread over the cycles."""
    return [(0, int((i + 1) * words // cycles > i * words // cycles)) for i in range(cycles)]


def depth_of(blocks: Sequence[Block], folding: dict[str, Fold], at: int) -> tuple[int, float]:
    """(depth of the FIFO in front of a block, interval of the pipeline)."""
    signals = [Signal(range=integers(4, signed=False), shape=(1,)) for _ in range(len(blocks) + 1)]
    layers = [
        Layer(name=f"l{i}", kind="t", inputs=(signals[i],), spec=LayerSpec(output=signals[i + 1], blocks=(block,)))
        for i, block in enumerate(blocks)
    ]
    model = Dataflow(device="xc7z020", folding=folding)
    placed = place(layers)
    jobs = [job for job in model.plan(placed) if isinstance(job.block, Link)]
    adapter = jobs[at].adapter
    assert adapter is not None
    return adapter.depth, float(model.price(placed)["cycles"].max())


def pauses() -> Iterator[tuple[int, int, int, int, int, int]]:
    for rows, pe, cols, simd in ((16, 1, 64, 2), (16, 4, 64, 1), (8, 8, 64, 4), (32, 2, 32, 4), (64, 16, 128, 2)):
        for writer_pe in (1, 2, 4, 8):
            yield rows, pe, cols, simd, 4, writer_pe


@pytest.mark.parametrize(("rows", "pe", "cols", "simd", "vectors", "writer"), list(pauses()))
def test_a_unit_that_pauses_does_not_slow_its_writer(
    rows: int, pe: int, cols: int, simd: int, vectors: int, writer: int
) -> None:
    unit = dense(rows, cols, vectors)
    ahead = dense(cols, 32, vectors)
    folding = {"l0": Fold(simd, writer), "l1": Fold(pe, simd)}
    depth, bound = depth_of((ahead, unit), folding, 1)
    busy = 32 // writer * (cols // simd) * vectors
    found = interval(evenly(cols // simd * vectors, busy), unit_reads(unit, folding["l1"]), max(depth, REGISTERED))
    assert found <= bound * 1.01 + 1


def test_without_the_fifo_it_would() -> None:
    unit, ahead = dense(16, 64, 4), dense(64, 32, 4)
    depth, bound = depth_of((ahead, unit), {"l0": Fold(2, 1), "l1": Fold(1, 2)}, 1)
    assert depth > REGISTERED
    busy = 32 * 32 * 4
    slow = interval(evenly(32 * 4, busy), unit_reads(unit, Fold(1, 2)), REGISTERED)
    assert bound < slow


def test_a_window_that_fills_does_not_starve_its_unit() -> None:
    element = integers(4, signed=False)
    window = Window(
        channels=4, image=(16, 16), kernel=(3, 3), stride=(1, 1), dilation=(1, 1), padding=((0, 0),) * 2,
        output=(14, 14), input=element,
    )  # fmt: skip
    unit = dense(8, 36, 196, input=element)
    fold = Fold(2, 4)
    depth, bound = depth_of((window, unit), {"l1": fold}, 1)
    fill = 2 * 16 + 3
    writes = [(0, 0)] * fill + evenly(9 * 196, 9 * 196)
    starved = interval(writes, unit_reads(unit, fold), REGISTERED)
    fed = interval(writes, unit_reads(unit, fold), max(depth, REGISTERED))
    assert depth > REGISTERED and bound == 4 * 9 * 196
    assert fed <= bound + 1 < starved


class Residual(nn.Module):
    """Two 3x3 convolutions, and a way around them from the input, or from a 1x1 convolution."""

    def __init__(self, stem: bool) -> None:
        super().__init__()
        self.grid = const_activation(bits=4, max_val=1.0, signed=True)
        self.enter = QuantIdentity(self.grid)
        first = [self.conv(1), QuantIdentity(self.grid)] if stem else []
        self.stem = nn.Sequential(*first)
        self.inner = nn.Sequential(self.conv(3), QuantIdentity(self.grid), self.conv(3), QuantIdentity(self.grid))
        self.add = QuantAdd(self.grid, ready=(0, 1))

    @staticmethod
    def conv(kernel: int) -> QuantConv2d:
        return QuantConv2d(64, 64, kernel, padding=kernel // 2, bias=False, weight_quant=const_weight(bits=4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(self.enter(x))
        return self.add(x, self.inner(x))


@pytest.mark.parametrize(("flow", "from_stem", "from_input"), [("rtl", 4350, 4351), ("hls", 4402, 4404)])
def test_a_way_around_from_the_input_has_the_fifo_of_one_from_a_stem(
    flow: str, from_stem: int, from_input: int
) -> None:
    """Two padded lines of 34 pixels and 64 words, and some words that the units hold; two block RAMs of 4 bits.

    Source: derived here: `word_fifos` for RTL, from the cycle of every word, of which a FIFO in block RAM takes two;
    `fifo_depths` for HLS, where the input comes evenly and needs two words more than a unit that ends its pixel.
    """
    for stem, words in ((True, from_stem), (False, from_input)):
        pipeline = trace(Residual(stem).eval(), torch.zeros(1, 64, 32, 32))
        model = Dataflow(device="xc7z020", folding=target_fps(pipeline, 100, flow=flow), flow=flow)
        jobs = model.plan(list(place(pipeline.layers())))
        assert max(job.adapter.depth for job in jobs if job.layer == "add" and job.adapter is not None) == words
        table = estimate(pipeline, model).layers.set_index("layer")
        assert table.loc["add", "BRAM18"] == 2

"""Streams between blocks: who reads what, what a link costs, and how deep its FIFO must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
import torch
from block_strategies import bits, dense, wire
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hwcost.graph.ranges import integers
from hwcost.graph.spec import Block, Concat, LabelSelect, Layer, LayerSpec, Link, MatVec, Signal, Thresholds, Window
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Finn, Fold, Generic, Job, Placed, Setting, Unrolled, place, target_fps
from hwcost.models.folding.fifo_depths import REGISTERED
from hwcost.models.formulas.formula import Adapter
from hwcost.models.formulas.streams import LinkFormula
from hwcost.quant import QuantAdd, QuantConcat, QuantLinear, QuantReLU, learned_activation, learned_weight

LINK = LinkFormula()
RTL = Setting("DSP48E2", "search", "rtl", "shared")


class Branches(nn.Module):
    """A stream read twice, one branch longer, their sum, a concatenation, and the best label."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = QuantLinear(16, 16, bias=False, weight_quant=learned_weight(bits=4))
        self.grid = learned_activation(bits=4)
        self.act = QuantReLU(self.grid)
        self.long1 = QuantLinear(16, 16, bias=False, weight_quant=learned_weight(bits=4))
        self.act1 = QuantReLU(learned_activation(bits=4))
        self.long2 = QuantLinear(16, 16, bias=False, weight_quant=learned_weight(bits=4))
        self.act2 = QuantReLU(self.grid)
        self.add = QuantAdd(self.grid, ready=(0, 1))
        self.join = QuantConcat(learned_activation(bits=4))
        self.head = QuantLinear(32, 10, bias=False, weight_quant=learned_weight(bits=4, per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 16) -> (N,)."""
        short = self.act(self.stem(x))
        total = self.add(short, self.act2(self.long2(self.act1(self.long1(short)))))
        return torch.argmax(self.head(self.join(total, short)), 1)


def links(placed: Sequence[Placed]) -> list[tuple[str, str]]:
    """(kind of source, kind of sink) of every link."""
    return [
        (type(item.block.source).__name__ if item.block.source else "-", type(item.block.sink).__name__)
        for item in placed
        if isinstance(item.block, Link)
    ]


def test_every_block_reads_what_the_graph_says() -> None:
    net = Branches()
    layers = trace(net, torch.zeros(1, 16), input_bits=4).layers()
    placed = place(layers)
    assert links(placed) == [
        ("-", "MatVec"), ("MatVec", "Thresholds"), ("Thresholds", "MatVec"), ("MatVec", "Thresholds"),
        ("Thresholds", "MatVec"), ("MatVec", "Thresholds"), ("Thresholds", "Adder"), ("Thresholds", "Adder"),
        ("Adder", "Thresholds"), ("Thresholds", "Thresholds"), ("Thresholds", "Concat"), ("Thresholds", "Concat"),
        ("Concat", "MatVec"), ("MatVec", "LabelSelect"),
    ]  # fmt: skip
    assert [item.block for item in placed if not isinstance(item.block, Link)] == [
        block for layer in layers for block in layer.blocks
    ]


def test_a_branch_that_waits_has_a_fifo_and_copies_are_controlled() -> None:
    pipeline = trace(Branches(), torch.zeros(1, 16), input_bits=4)
    placed = place(pipeline.layers())
    model = Dataflow(device="xc7z020", folding=target_fps(pipeline, 1_000_000))
    into_adder = [job for job in model.plan(placed) if isinstance(job.block, Link) and job.layer == "add"]
    depths = [job.adapter.depth for job in into_adder if job.adapter]
    assert depths[0] > 0 == depths[1]
    copied = [job.layer for job in model.plan(placed) if job.adapter and job.adapter.copied]
    assert copied == ["long1", "add", "join"]


def test_the_order_of_blocks_does_not_matter() -> None:
    pipeline = trace(Branches(), torch.zeros(1, 16), input_bits=4)
    placed = place(pipeline.layers())
    model = Dataflow(device="xc7z020", folding=target_fps(pipeline, 500_000))
    forward, backward = model.price(placed), model.price(placed[::-1])
    for name, amounts in forward.items():
        assert torch.equal(amounts, backward[name].flip(0)), name


def test_every_model_takes_links() -> None:
    pipeline = trace(Branches(), torch.zeros(1, 16), input_bits=4)
    placed = place(pipeline.layers())
    rows = [isinstance(item.block, Link) for item in placed]
    folding = target_fps(pipeline, 500_000)
    for model in (Unrolled(device="xc7z020"), Generic()):
        with torch.no_grad():
            bill = model.price(placed)
        assert all(float(amounts[rows].sum()) == 0 for name, amounts in bill.items() if name != "cycles")
    finn = Finn(device="xc7z020", folding=folding)
    words = [attributes for op, attributes in finn.nodes(placed) if op == "StreamingDataWidthConverter_rtl"]
    assert len(words) == sum(rows) and any(word["inWidth"] != word["outWidth"] for word in words)


ADAPTERS = st.builds(
    Adapter, st.integers(1, 40), st.integers(1, 40), st.sampled_from((0, 3, 40, 257, 5000)), st.booleans()
)


def link_job(width: Tensor, adapter: Adapter) -> Job:
    block = Link(source=None, sink=dense(4, 4), wire=wire(width))
    return Job("link", block, Fold(), "lut", "auto", adapter)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(ADAPTERS, st.integers(1, 16), st.sampled_from(("rtl", "hls")))
def test_a_link_is_exact_monotone_and_has_a_live_gradient(adapter: Adapter, width: int, flow: str) -> None:
    setting = Setting("DSP48E2", "search", flow, "shared")
    leaf = bits(width)

    def amounts(more: float) -> dict[str, float]:
        with torch.no_grad():
            return {name: float(a) for name, a in LINK([link_job(bits(width + more), adapter)], setting).items()}

    here, half, one, wide = (amounts(more) for more in (0, 0.5, 1, 12))
    assert here == LINK.reference(link_job(leaf, adapter), setting)
    for name, amount in LINK([link_job(leaf, adapter)], setting).items():
        assert half[name] == pytest.approx((here[name] + one[name]) / 2, abs=1e-9)
        assert wide[name] >= here[name]
        slope = torch.zeros(())
        if amount.requires_grad:
            (slope,) = torch.autograd.grad(amount.sum(), leaf, retain_graph=True, materialize_grads=True)
        assert slope > 0 or (slope == 0 and wide[name] == here[name])


# Yosys 0.70, synth_xilinx: (bits, words per wide word) -> LUT, FF
DOWN = {(4, 2): (10, 10), (4, 8): (41, 36), (8, 16): (134, 133), (16, 16): (254, 261), (2, 64): (142, 135)}
UP = {(4, 2): (5, 10), (4, 8): (10, 36), (8, 16): (12, 133), (16, 16): (12, 261), (2, 64): (12, 135)}


@pytest.mark.parametrize("up", [False, True])
def test_converters_as_synthesized(up: bool) -> None:
    for (width, words), (lut, ff) in (UP if up else DOWN).items():
        adapter = Adapter(1, words) if up else Adapter(words, 1)
        found = LINK.reference(link_job(bits(width), adapter), RTL)
        assert abs(found["LUT"] - lut) <= 12 and abs(found["FF"] - ff) <= 5


def test_equal_words_need_no_converter() -> None:
    found = LINK.reference(link_job(bits(8), Adapter(4, 4)), RTL)
    assert set(found.values()) == {0}


def test_hls_units_hold_their_activation() -> None:
    unit = dense(16, 16)
    act = Thresholds(channels=16, vectors=1, input=unit.acc, output=integers(2, signed=False))
    signals = [
        Signal(range=unit.input, shape=(16,)),
        Signal(range=unit.acc, shape=(16,)),
        Signal(range=act.output, shape=(16,)),
    ]
    layers = [
        Layer(name=name, kind="t", inputs=(signals[i],), spec=LayerSpec(output=signals[i + 1], blocks=(block,)))
        for i, (name, block) in enumerate((("fc", unit), ("act", act)))
    ]
    for flow, thresholds, pe in (("hls", "parallel", 8), ("hls", "search", 1), ("rtl", "parallel", 1)):
        model = Dataflow(device="xc7z020", folding={"fc": Fold(8, 1)}, flow=flow, thresholds=thresholds)
        jobs = {job.layer: job for job in model.plan(place(layers)) if not isinstance(job.block, Link)}
        assert jobs["act"].parallel.pe == pe


# -- depth against a simulation, cycle by cycle --------------------------------------------------------------------


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


def test_label_and_concat_are_described() -> None:
    layers = {layer.name: layer for layer in trace(Branches(), torch.zeros(1, 16), input_bits=4).layers()}
    label = layers["argmax"].blocks[0]
    assert isinstance(label, LabelSelect) and label.channels == 10 and int(label.output.bits) == 4
    joined = layers["join"].blocks[-1]
    assert isinstance(joined, Concat) and joined.streams == (16, 16)

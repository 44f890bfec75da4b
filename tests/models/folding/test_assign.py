"""Folds that follow from that of a neighbour."""

from __future__ import annotations

from block_strategies import dense

from hwcost.graph.ranges import integers
from hwcost.graph.spec import (
    Layer,
    LayerSpec,
    Link,
    Signal,
    Thresholds,
    Window,
)
from hwcost.models import Dataflow, Fold, Folding, Placed, place


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


def test_a_window_gives_words_as_its_unit_takes_them() -> None:
    """Unless it would be too slow for the interval, or the unit is of another layer."""
    element = integers(4, signed=False)
    window = Window(
        channels=8, image=(6, 6), kernel=(3, 3), stride=(1, 1), dilation=(1, 1), padding=((0, 0),) * 2,
        output=(4, 4), input=element,
    )  # fmt: skip
    unit = dense(4, 72, 16, input=element)
    link = Link(source=window, sink=unit, wire=element)
    placed = [Placed("conv", block) for block in (window, link, unit)]

    def simd(wanted: Fold, interval: int) -> int:
        folding = Folding({"conv": wanted}, interval)
        jobs = Dataflow(device="xc7z020", folding=folding).plan(placed)
        return jobs[0].parallel.simd

    assert simd(Fold(1, 2), 10_000) == 2 and simd(Fold(1, 4), 10_000) == 4
    assert simd(Fold(1, 1), 1_000) > 1  # 8 channels x 9 pixels x 16 windows are 1,152 cycles
    assert simd(Fold(1, 9), 10_000) == 1  # 9 channels do not divide 8

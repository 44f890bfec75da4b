"""Latency against published simulations, and against a simulation of our own."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from block_strategies import dense

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, binary, integers
from hwcost.graph.spec import Adder, Block, Layer, LayerSpec, MatVec, Pool, Signal, Thresholds, Window
from hwcost.models import FORMULAS, RESOURCES, Dataflow, Fold, place
from hwcost.models.latency import latency_cycles

ROWS = json.loads((Path(__file__).parents[1] / "data" / "published_latency.json").read_text())["rows"]


def chain(*blocks: tuple[str, Block]) -> list[Layer]:
    signal = Signal(range=integers(2, signed=False), shape=(1,))
    layers = []
    for name, block in blocks:
        output = Signal(range=integers(2, signed=False), shape=(1,))
        layers.append(Layer(name=name, kind="test", inputs=(signal,), spec=LayerSpec(output=output, blocks=(block,))))
        signal = output
    return layers


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_published_rows(row: dict[str, object]) -> None:
    sizes, folds = row["sizes"], row["folds"]
    assert isinstance(sizes, list) and isinstance(folds, list)
    units = [(f"fc{i}", dense(rows, cols)) for i, (cols, rows) in enumerate(pairwise(sizes))]
    folding = {name: Fold(*fold) for (name, _), fold in zip(units, folds, strict=True)}
    found = latency_cycles(chain(*units), Dataflow(device="xc7z020", folding=folding, flow="hls"))
    assert found == row["model_cycles"]
    assert abs(found - row["measured_cycles"]) <= row["off_by_at_most"] * row["measured_cycles"]  # type: ignore[operator]


def cnv() -> tuple[list[Layer], Dataflow]:
    """CNV-W1A1 as published: six convolutions, two poolings, three dense layers."""
    folds = [(16, 3), (32, 32), (16, 32), (16, 32), (4, 32), (1, 32), (1, 4), (1, 8), (5, 1)]
    wire, side, channels = integers(8, signed=False), 32, 3
    blocks: list[tuple[str, Block]] = []

    def window(kernel: int, stride: int, out: int) -> None:
        sizes = {"image": (side, side), "kernel": (kernel, kernel), "stride": (stride, stride), "output": (out, out)}
        rest = {"dilation": (1, 1), "padding": ((0, 0), (0, 0)), "depthwise": kernel == 2}
        blocks.append((f"window{len(blocks)}", Window(channels=channels, input=wire, **sizes, **rest)))  # type: ignore[arg-type]

    for index, rows in enumerate((64, 64, 128, 128, 256, 256, 512, 512, 10)):
        cols, out = (9 * channels, side - 2) if index < 6 else (channels, 1)
        if index < 6:
            window(3, 1, out)
        weight, wire = binary(), binary() if index else wire
        acc = integers(16, signed=True)
        blocks.append((f"u{index}", MatVec(rows=rows, cols=cols, vectors=out**2, weight=weight, input=wire, acc=acc)))
        side, channels, wire = out, rows, binary()
        if index < 8:
            blocks.append((f"act{index}", Thresholds(channels=rows, vectors=out**2, input=acc, output=wire)))
        if index in (1, 3):
            window(2, 2, side // 2)
            side //= 2
            pool = Pool(kind="max", channels=rows, kernel=(2, 2), vectors=side**2, input=wire, output=wire)
            blocks.append((f"pool{index}", pool))
    return chain(*blocks), Dataflow(device="xc7z020", folding={f"u{i}": Fold(*fold) for i, fold in enumerate(folds)})


def test_cnv_on_a_board() -> None:
    layers, model = cnv()
    cycles = model.price(place(layers))["cycles"]
    assert float(cycles.max()) == 32768  # the published interval
    measured = 1.51178e-3 * 100e6  # MLPerf Tiny 0.7, single stream, driver included
    assert 0.88 * measured < latency_cycles(layers, model) < measured
    assert float(cycles.sum()) > 2.5 * measured  # what adding up would say


def simulated(sizes: list[int], folds: list[tuple[int, int]]) -> int:
    """Cycle by cycle, dense layers whose stream widths agree: a unit takes a word, or works through its folds."""
    words = [sizes[0] // folds[0][1]] + [rows // pe for rows, (pe, _) in zip(sizes[1:], folds, strict=True)]
    ready: list[list[int]] = [[0] * words[0]]
    for (cols, rows), (pe, simd) in zip(pairwise(sizes), folds, strict=True):
        clock, out = -1, []
        for fold in range(rows // pe):
            for word in range(cols // simd):
                clock = max(clock + 1, ready[-1][word] if fold == 0 else 0)
            out.append(clock + 4)
        ready.append(out)
    return ready[-1][-1] + 2


@pytest.mark.parametrize(
    ("sizes", "folds"),
    [
        ([64, 32, 16], [(4, 8), (2, 4)]),
        ([64, 64, 10], [(1, 16), (1, 1)]),
        ([16, 64, 64, 8], [(8, 4), (1, 8), (4, 1)]),
        ([600, 64, 64, 64, 1], [(64, 600), (64, 64), (64, 64), (1, 64)]),
        ([8, 128, 128, 4], [(1, 8), (2, 1), (4, 2)]),
    ],
)
def test_equal_to_a_simulation(sizes: list[int], folds: list[tuple[int, int]]) -> None:
    units = [(f"fc{i}", dense(rows, cols)) for i, (cols, rows) in enumerate(pairwise(sizes))]
    folding = {name: Fold(*fold) for (name, _), fold in zip(units, folds, strict=True)}
    model = Dataflow(device="xc7z020", folding=folding, flow="hls")
    assert latency_cycles(chain(*units), model) == simulated(sizes, folds)


def test_layers_by_hand_need_not_share_signals() -> None:
    layers = chain(("a", dense(64, 16)), ("b", dense(64, 64)))
    apart = [
        dataclasses.replace(layer, inputs=tuple(dataclasses.replace(signal) for signal in layer.inputs))
        for layer in layers
    ]
    model = Dataflow(device="xc7z020", folding={"a": Fold(1, 1), "b": Fold(2, 4)})
    assert latency_cycles(apart, model) == latency_cycles(layers, model)


def test_more_parallelism_is_never_slower() -> None:
    units = [("a", dense(64, 64)), ("b", dense(64, 64))]
    found = [
        latency_cycles(chain(*units), Dataflow(device="xc7z020", folding={"a": Fold(n, n), "b": Fold(n, n)}))
        for n in (1, 2, 4, 8, 16, 32, 64)
    ]
    assert found == sorted(found, reverse=True)


def test_a_convolution_overlaps_with_its_window() -> None:
    wire = integers(4, signed=False)
    window = Window(
        channels=8, image=(16, 16), kernel=(3, 3), stride=(1, 1), dilation=(1, 1), padding=((1, 1), (1, 1)),
        output=(16, 16), input=wire,
    )  # fmt: skip
    unit = MatVec(rows=8, cols=72, vectors=256, weight=wire, input=wire, acc=wire)
    fast = Dataflow(device="xc7z020", folding={"conv": Fold(8, 8)})
    layers = chain(("window", window), ("conv", unit))
    bill = fast.price(place(layers))
    slowest, total = int(bill["cycles"].max()), int(bill["cycles"].sum())
    assert slowest < latency_cycles(layers, fast) < total


def test_branches_wait_for_the_slower() -> None:
    wire: Range = integers(2, signed=False)
    entry = Signal(range=wire, shape=(16,))
    signals = [Signal(range=wire, shape=(16,)) for _ in range(3)]
    adder = Adder(channels=16, vectors=1, left=wire, right=wire, output=wire)
    layers = [
        Layer(name="slow", kind="t", inputs=(entry,), spec=LayerSpec(output=signals[0], blocks=(dense(16, 16),))),
        Layer(name="fast", kind="t", inputs=(entry,), spec=LayerSpec(output=signals[1], blocks=(dense(16, 16),))),
        Layer(name="add", kind="t", inputs=tuple(signals[:2]), spec=LayerSpec(output=signals[2], blocks=(adder,))),
    ]
    model = Dataflow(device="xc7z020", folding={"slow": Fold(1, 1), "fast": Fold(16, 16)})
    both = latency_cycles(layers, model)
    assert both == latency_cycles(layers[:1], model) + 2  # the adder's register, and a FIFO in front of it
    assert both == latency_cycles([layers[1], layers[0], layers[2]], model)


def test_a_search_takes_a_stage_per_bit() -> None:
    unit = dense(8, 8)

    def found(bits: int, structure: str) -> int:
        act = Thresholds(channels=8, vectors=1, input=unit.acc, output=integers(bits, signed=False))
        model = Dataflow(device="xc7z020", folding={"fc": Fold(1, 8)}, thresholds=structure)
        return latency_cycles(chain(("fc", unit), ("act", act)), model)

    assert found(5, "search") - found(2, "search") == 3 + 1  # the fifth reads one of 128 words, in block RAM
    assert found(5, "parallel") == found(2, "parallel")


def test_nothing_has_no_latency() -> None:
    with pytest.raises(BadOption, match="no hardware"):
        latency_cycles([], Dataflow(device="xc7z020", folding={}))


def test_a_block_of_the_user_takes_the_cycles_of_its_price() -> None:
    class Mystery(Block):
        pass

    def price(jobs: list[object], setting: object) -> dict[str, torch.Tensor]:
        return {name: torch.full((len(jobs),), 50.0, dtype=torch.float64) for name in RESOURCES}

    model = Dataflow(device="xc7z020", folding={}, formulas=dict(FORMULAS) | {Mystery: price})  # type: ignore[dict-item]
    assert latency_cycles(chain(("odd", Mystery())), model) == 50 + 2

"""Folding: legal, fast enough, and the cheapest there is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product

import pytest
import torch
from block_strategies import dense
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hwcost.cost.estimate import estimate
from hwcost.errors import BadFolding, BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Block, Layer, LayerSpec, Signal, Thresholds
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, Fold, Folding, place, target_fps
from hwcost.quant import QuantConv2d, QuantReLU, const_activation, const_weight


class Chain:
    """Layers by hand: all that `target_fps` asks of a pipeline."""

    def __init__(self, *groups: Sequence[Block]) -> None:
        signal, self._layers = Signal(range=integers(4, signed=False), shape=(1,)), []
        for i, blocks in enumerate(groups):
            output = Signal(range=integers(2, signed=False), shape=(1,))
            spec = LayerSpec(output=output, blocks=tuple(blocks))
            self._layers.append(Layer(name=f"l{i}", kind="test", inputs=(signal,), spec=spec))
            signal = output

    def layers(self) -> Sequence[Layer]:
        return self._layers


def unit(rows: int, cols: int, vectors: int = 1) -> list[Block]:
    block = dense(rows, cols, vectors)
    return [block, Thresholds(channels=rows, vectors=vectors, input=block.acc, output=integers(2, signed=False))]


SMALL = st.tuples(st.sampled_from((2, 4, 6)), st.sampled_from((2, 4, 6)), st.integers(1, 2))
SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24), st.integers(1, 3))


def total_lut(chain: Chain, folds: Mapping[str, Fold], interval: int) -> float:
    model = Dataflow(device="xc7z020", folding=Folding(folds, interval))
    return float(model.price(place(chain.layers()))["LUT"].sum())


def fast_folds(size: tuple[int, int, int], interval: int) -> list[Fold]:
    rows, cols, vectors = size
    every = [Fold(pe, simd) for pe in range(1, rows + 1) for simd in range(1, cols + 1)]
    legal = [fold for fold in every if rows % fold.pe == 0 and cols % fold.simd == 0]
    return [fold for fold in legal if (rows // fold.pe) * (cols // fold.simd) * vectors <= interval]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=3), st.integers(6, 3000))
def test_no_other_fold_of_a_unit_is_cheaper(sizes: list[tuple[int, int, int]], interval: int) -> None:
    chain = Chain(*(unit(*size) for size in sizes))
    rate = 100e6 / (interval + 0.5)
    try:
        folding = target_fps(chain, rate)
    except BadFolding:
        assert any(vectors > interval for _, _, vectors in sizes)
        return
    assert folding.interval_cycles == interval
    bill = Dataflow(device="xc7z020", folding=folding).price(place(chain.layers()))
    assert float(bill["cycles"].max()) <= interval
    found = float(bill["LUT"].sum())
    for index, size in enumerate(sizes):
        for fold in fast_folds(size, interval):
            assert found <= total_lut(chain, {**folding.folds, f"l{index}": fold}, interval)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(*[st.sampled_from((2, 4, 6))] * 2, st.integers(1, 2)), min_size=2, max_size=2),
    st.integers(6, 60),
)
def test_cheapest_of_all_combinations(sizes: list[tuple[int, int, int]], interval: int) -> None:
    chain = Chain(*(unit(*size) for size in sizes))
    folding = target_fps(chain, 100e6 / (interval + 0.5))
    combinations = product(*(fast_folds(size, interval) for size in sizes))
    best = min(total_lut(chain, {"l0": first, "l1": second}, interval) for first, second in combinations)
    assert total_lut(chain, folding, interval) == best


def test_too_fast_names_the_layer_and_the_best_rate() -> None:
    chain = Chain(unit(4, 8), unit(4, 8, vectors=1000))
    with pytest.raises(
        BadFolding, match=r"l1: MatVec takes at least 1,000 cycles per frame.* at most 100,000 frames/s"
    ):
        target_fps(chain, 200_000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 0}, "fps=0"),
        ({"fps": float("nan")}, "fps=nan"),
        ({"fps": 1e-320}, "fps=.*at most 9,007,199,254,740,992 cycles; ask for at least 1.11.*e-08"),
        ({"fps": 10, "clock_mhz": -1}, "clock_mhz=-1"),
        ({"fps": 10, "clock_mhz": float("inf")}, "clock_mhz=inf"),
        ({"fps": 10, "max_stream_bits": 8.5}, "max_stream_bits=8.5"),
        ({"fps": 10, "multipliers": "abc"}, "multipliers='abc'"),
        ({"fps": 10, "multipliers": {"l0": "lut", "l7": "dsp"}}, r"multipliers\['l7'\]: .*known names: l0"),
    ],
)
def test_bad_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(BadOption, match=message):
        target_fps(Chain(unit(4, 8)), **options)  # type: ignore[arg-type] # wrong on purpose


def convolution(size: int, channels: int, kernel: int, stride: int, pooled: bool) -> Pipeline:
    layers: list[nn.Module] = [
        QuantConv2d(3, channels, kernel, stride=stride, weight_quant=const_weight(bits=3)),
        QuantReLU(const_activation(bits=3)),
    ]
    if pooled:
        layers.append(nn.MaxPool2d(2))
    return trace(nn.Sequential(*layers), torch.zeros(1, 3, size, size), input_bits=4)


@pytest.mark.slow
@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [8, 13])
def test_the_rate_that_a_refusal_names_works(size: int, kernel: int, stride: int, pooled: bool) -> None:
    """The slowest block is named, not the first that is too slow, and its rate is rounded down."""
    pipeline = convolution(size, 4, kernel, stride, pooled)
    with pytest.raises(BadFolding) as refused:
        target_fps(pipeline, 1e9, clock_mhz=133.3)
    named = re.search(r"ask for at most ([\d,.]+) frames/s", str(refused.value))
    assert named is not None
    rate = float(named[1].replace(",", ""))
    folding = target_fps(pipeline, rate, clock_mhz=133.3)
    assert estimate(pipeline, Dataflow(device="ZCU104", folding=folding, clock_mhz=133.3)).fps >= rate


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=3), st.integers(6, 3000))
def test_a_reported_rate_can_be_asked_for_again(sizes: list[tuple[int, int, int]], interval: int) -> None:
    chain = Chain(*(unit(*size) for size in sizes))
    folding = target_fps(chain, 100e6 / interval)
    reported = estimate(chain, Dataflow(device="xc7z020", folding=folding))
    again = target_fps(chain, reported.fps)
    assert again.interval_cycles == reported.total["cycles"]
    rebuilt = estimate(chain, Dataflow(device="xc7z020", folding=again))
    assert rebuilt.total["cycles"] == reported.total["cycles"]
    if len(sizes) == 1:  # FIFOs between units depend on the interval, too
        assert rebuilt.total["LUT"] == reported.total["LUT"]


@pytest.mark.parametrize("limit", [1, 8])
def test_the_stream_width_that_a_refusal_names_works(limit: int) -> None:
    chain = Chain(unit(4, 8), unit(4, 100), unit(4, 6))
    with pytest.raises(BadFolding) as refused:
        target_fps(chain, 1.0, max_stream_bits=limit)
    named = re.search(r"give at least (\d+)", str(refused.value))
    assert named is not None and int(named[1]) > limit
    assert target_fps(chain, 1.0, max_stream_bits=int(named[1]))
    with pytest.raises(BadFolding):
        target_fps(chain, 1.0, max_stream_bits=int(named[1]) - 1)

"""The unrolled design: each weight at its own width, free zeros, and a gradient that lives."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest
import torch
from block_strategies import COORDINATES, bits, build, dense, geometries, wire
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hwcost.errors import BadOption, UnknownBlock, UnknownPrecision
from hwcost.graph.ranges import Range, integers
from hwcost.graph.spec import Block, MatVec, Saturate, Signal
from hwcost.models import HardwareModel, Placed, Unrolled
from hwcost.models.formulas.coefficients import values
from hwcost.quant import QuantConv2d, QuantLinear
from hwcost.quant.presets import const_weight


def model(**options: Any) -> Unrolled:
    return Unrolled(device="xczu3eg", **options)


def lut(block: Block, **options: Any) -> float:
    return float(model(**options).price([Placed("layer", block)])["LUT"])


def unit(weight_bits: Tensor, integer_weights: Tensor | None = None, input_bits: int = 4) -> MatVec:
    """A unit of weights with widths of their own, (rows, cols)."""
    return MatVec(
        rows=weight_bits.shape[0],
        cols=weight_bits.shape[1],
        weight=integers(weight_bits, signed=True, narrow=True),
        input=integers(input_bits, signed=False),
        acc=integers(16, signed=True),
        integers=integer_weights,
    )


def test_is_a_hardware_model() -> None:
    assert isinstance(model(), HardwareModel)
    empty = model().price([])
    assert {name: tuple(amount.shape) for name, amount in empty.items()} == {n: (0,) for n in Unrolled.resources}


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(geometries(), st.lists(st.integers(1, 15), min_size=4, max_size=4), st.sampled_from((1, 7, "stream")))
def test_more_bits_never_cost_less(g: dict[str, Any], widths: list[int], reuse: int | str) -> None:
    priced = model(reuse=reuse)
    count = COORDINATES[g["kind"]]

    def bill(change: int | None, by: int) -> tuple[dict[str, Tensor], list[Tensor]]:
        own = [bits(w + (by if i == change else 0)) for i, w in enumerate(widths[:count])]
        return priced.price([Placed("layer", build(g, own))]), own

    before, own = bill(None, 0)
    for name in ("LUT", "FF", "BRAM18"):
        assert before[name].isfinite().all() and (before[name] >= 0).all()
        slopes: tuple[Tensor | None, ...] = (None,) * count
        if before[name].requires_grad:
            slopes = torch.autograd.grad(before[name].sum(), own, allow_unused=True, retain_graph=True)
        for i, slope in enumerate(slopes):
            after = bill(i, 1)[0][name]
            assert after >= before[name] - 1e-9
            found = 0.0 if slope is None else float(slope)
            assert found >= 0
            if after > before[name] + 1e-9:
                assert found > 0, (name, i)


@settings(max_examples=40, deadline=None)
@given(geometries(), st.lists(st.floats(1, 12), min_size=4, max_size=4))
def test_fractions_lie_between_their_neighbours(g: dict[str, Any], widths: list[float]) -> None:
    def price(real: list[float]) -> dict[str, Tensor]:
        with torch.no_grad():
            return model(reuse="stream").price([Placed("layer", build(g, [bits(w) for w in real]))])

    own = widths[: COORDINATES[g["kind"]]]
    low, middle, high = price([float(int(w)) for w in own]), price(own), price([float(ceil(w)) for w in own])
    for name in ("LUT", "FF", "BRAM18", "levels"):
        assert low[name] - 1e-6 <= middle[name] <= high[name] + 1e-6, name


def test_each_weight_is_priced_at_its_own_width() -> None:
    mixed = torch.tensor([[2.0, 8.0], [4.0, 4.0]], dtype=torch.float64)
    rows = [lut(unit(row[None])) for row in mixed]
    assert lut(unit(mixed)) == pytest.approx(sum(rows))
    assert lut(unit(torch.full((3, 5), 6.0, dtype=torch.float64))) == pytest.approx(
        lut(MatVec(rows=3, cols=5, weight=integers(6, signed=True, narrow=True), input=integers(4, signed=False),
                   acc=integers(16, signed=True)))
    )  # fmt: skip


def test_a_weight_of_zero_bits_is_free() -> None:
    some = torch.tensor([[3.0, 5.0, 0.0, 0.0]], dtype=torch.float64)
    assert lut(unit(some)) == pytest.approx(lut(unit(some[:, :2])))
    none = torch.zeros(4, 6, dtype=torch.float64, requires_grad=True)
    priced = model().price([Placed("layer", unit(none))])["LUT"]
    assert priced.item() == 0
    (slope,) = torch.autograd.grad(priced.sum(), none)
    assert (slope > 0).all()


def test_values_count_where_they_are_known() -> None:
    widths = torch.full((4, 16), 6.0, dtype=torch.float64)
    dense_weights = torch.randint(-31, 32, (4, 16), generator=torch.Generator().manual_seed(0))
    sparse = dense_weights * (torch.arange(16) % 4 == 0)
    by_width = lut(unit(widths, sparse))
    assert by_width == lut(unit(widths, dense_weights)) == lut(unit(widths))
    assert lut(unit(widths, sparse), value_aware=True) < 0.4 * lut(unit(widths, dense_weights), value_aware=True)
    assert lut(unit(widths, lambda: sparse), value_aware=True) == lut(unit(widths, sparse), value_aware=True)  # type: ignore[arg-type]


def test_value_aware_gradients_follow_the_price_and_never_die() -> None:
    widths = torch.full((4, 16), 6.0, dtype=torch.float64, requires_grad=True)
    slopes = []
    for weights in (torch.full((4, 16), 21), torch.full((4, 16), 1), torch.zeros(4, 16, dtype=torch.int64)):
        priced = model(value_aware=True).price([Placed("layer", unit(widths, weights))])
        slopes.append(torch.autograd.grad(priced["LUT"].sum(), widths)[0])
    assert all((slope > 0).all() for slope in slopes)
    assert (slopes[0] > slopes[1]).all() and (slopes[1] > slopes[2]).all()


def test_value_aware_needs_values() -> None:
    with pytest.raises(UnknownPrecision, match="layer: its integer weights are not known"):
        lut(dense(4, 4), value_aware=True)


def test_layers_give_their_integers() -> None:
    torch.manual_seed(0)
    linear = QuantLinear(6, 3, bias=False, weight_quant=const_weight(bits=4))
    signal = Signal(range=integers(4, signed=False), shape=(6,))
    (block,) = linear.describe(signal, shape=(3,)).blocks
    assert isinstance(block, MatVec)
    codes = block.constants()
    assert codes is not None and codes.dtype == torch.int64 and codes.abs().amax(1).tolist() == [7, 7, 7]
    with torch.no_grad():
        linear.weight.mul_(torch.tensor([1.0, 0, 0, 0, 0, 0]))
    live = block.constants()
    assert live is not None and (live[:, 1:] == 0).all()  # read when asked, not when described
    conv = QuantConv2d(4, 6, 3, groups=2, bias=False, weight_quant=const_weight(bits=4))
    image = Signal(range=integers(4, signed=False), shape=(4, 8, 8))
    *_, product = conv.describe(image, shape=(6, 6, 6)).blocks
    assert isinstance(product, MatVec)
    codes = product.constants()
    assert codes is not None and codes.shape == (6, 18)


def test_reuse_builds_fewer_copies() -> None:
    pixels = dense(8, 9, vectors=100)
    whole, shared, stream = (model(reuse=factor).price([Placed("conv", pixels)]) for factor in (1, 30, "stream"))
    assert [int(bill["cycles"]) for bill in (whole, shared, stream)] == [1, 25, 100]
    assert whole["LUT"] == pytest.approx(100 * float(stream["LUT"]))
    assert shared["LUT"] == pytest.approx(4 * float(stream["LUT"]))
    layers = model(reuse={"conv": 100, "fc": 1}).price([Placed("conv", pixels), Placed("fc", dense(4, 4))])
    assert layers["LUT"][0] == stream["LUT"][0]


def test_no_dsp_and_levels_add_up() -> None:
    chain = [Placed("fc1", dense(8, 16)), Placed("fc2", dense(4, 8))]
    bill = model().price(chain)
    assert bill["DSP"].tolist() == bill["URAM"].tolist() == [0, 0]
    assert (bill["levels"] >= 3).all()
    slow, fast = model(clock_mhz=50.0), model(clock_mhz=800.0)
    assert slow.stage_levels == 16 and fast.stage_levels == 1
    assert fast.latency_cycles(chain) == int(bill["levels"].sum())
    assert slow.latency_cycles(chain) == 2
    assert float(fast.price(chain)["FF"].sum()) > float(slow.price(chain)["FF"].sum())


def test_order_does_not_matter() -> None:
    wires = [wire(bits(8)), wire(bits(4))]
    clip = Saturate(channels=3, vectors=1, input=wires[0], output=wires[1])
    items = [Placed("a", dense(4, 4)), Placed("b", clip), Placed("c", dense(5, 9)), Placed("d", clip)]
    forward, backward = model().price(items), model().price(items[::-1])
    for name in Unrolled.resources:
        assert forward[name].tolist() == backward[name].flip(0).tolist()


class Strange(Block):
    """Nobody knows it."""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reuse": 0}, "reuse=0"),
        ({"reuse": "all"}, "reuse='all'"),
        ({"clock_mhz": 0}, "clock_mhz=0"),
        ({"thresholds": "magic"}, "thresholds='magic'"),
        ({"clock_mhz": float("inf")}, "clock_mhz=inf"),
        ({"reuse": 1.5}, "reuse=1.5"),
        ({"reuse": {"fc": float("nan")}}, "reuse=nan"),
        ({"reuse": True}, "reuse=True"),
        ({"stage_levels": 0}, "stage_levels=0"),
        ({"stage_levels": 1.5}, "stage_levels=1.5"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadOption, match=words):
        model(**options)


def test_what_cannot_be_priced_is_named() -> None:
    with pytest.raises(UnknownBlock, match=r"odd: Unrolled has no law for a Strange block.*MatVec, Adder"):
        model().price([Placed("odd", Strange())])
    with pytest.raises(BadOption, match="fc: reuse names no factor"):
        model(reuse={"conv": 1}).price([Placed("fc", dense(2, 2))])


def test_bipolar_weights_have_one_digit_each() -> None:
    low, high = torch.tensor(-1.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    one = Range(low, high, high)
    block = MatVec(rows=1, cols=8, weight=one, input=integers(4, signed=False), acc=integers(8, signed=True))
    per_bit = values("rtl")["constant_adder_bit"]
    assert lut(block) == pytest.approx((7 * 5 - 3) * per_bit)  # 4 adders of 4 bits, 2 of 5, 1 of 6

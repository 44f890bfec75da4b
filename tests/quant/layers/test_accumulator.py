"""Narrow accumulators against Python's integers, every value of the range."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range, between, integers
from hwcost.graph.spec import MatVec, Signal
from hwcost.quant import (
    Accumulator,
    BiasQuantizer,
    ConstScale,
    IntQuantizer,
    LearnedBits,
    NarrowedBits,
    QuantLinear,
    QuantTensor,
    const_input,
)

WIRES = [(-128, 127), (-300, 40), (0, 255), (-7, 7), (3, 90)]


def limits(bits: int, *, signed: bool, narrow: bool = False) -> tuple[int, int]:
    if not signed:
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1


def clipped(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def wrapped(value: int, low: int, high: int) -> int:
    return (value - low) % (high - low + 1) + low


def sums(low: int, high: int, scale: float) -> QuantTensor:
    step = torch.tensor(scale)
    return QuantTensor((torch.arange(low, high + 1) * step).requires_grad_(), step, between(low, high))


def inside(codes: Sequence[int], wire: Range) -> bool:
    return min(codes) >= float(wire.low) and max(codes) <= float(wire.high)


@pytest.mark.parametrize("scale", [1.0, 0.1, 1 / 3])
@pytest.mark.parametrize("signed,narrow", [(True, False), (True, True), (False, False)])
@pytest.mark.parametrize("wire", WIRES)
def test_saturate(wire: tuple[int, int], signed: bool, narrow: bool, scale: float) -> None:
    x = sums(*wire, scale)
    for bits in range(2, 11):
        accumulator = Accumulator(bits=bits, mode="saturate", signed=signed, narrow=narrow)
        out = accumulator(x)
        # a width above that of the sum has nothing to do; below it, the result's
        low, high = limits(min(bits, int(x.range.bits)), signed=signed, narrow=narrow)
        expected = [clipped(value, low, high) for value in range(wire[0], wire[1] + 1)]
        assert out.codes().tolist() == expected
        assert (min(expected), max(expected)) == (float(out.range.low), float(out.range.high))  # no wider than needed
        assert float(out.scale) == pytest.approx(scale) and int(out.bit_width) <= max(bits, 1)
        (dx,) = torch.autograd.grad(out.value.sum(), x.value)
        assert dx.tolist() == [float(low <= value <= high) for value in range(wire[0], wire[1] + 1)]


@pytest.mark.parametrize("scale", [1.0, 0.1, 1 / 3])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("wire", WIRES)
def test_wrap(wire: tuple[int, int], signed: bool, scale: float) -> None:
    x = sums(*wire, scale)
    for bits in range(2, int(x.range.bits) + 1):
        out = Accumulator(bits=bits, mode="wrap", signed=signed)(x)
        expected = [wrapped(value, *limits(bits, signed=signed)) for value in range(wire[0], wire[1] + 1)]
        assert out.codes().tolist() == expected
        assert inside(expected, out.range) and int(out.bit_width) == bits


def test_wrapping_once_is_wrapping_at_every_addition() -> None:
    terms = torch.randint(-128, 128, (50, 20))
    for bits, signed in ((6, True), (8, True), (5, False)):
        low, high = limits(bits, signed=signed)
        register = [0] * len(terms)
        for column in terms.T.tolist():
            register = [wrapped(held + term, low, high) for held, term in zip(register, column, strict=True)]
        total = QuantTensor(terms.sum(1).float() * 0.25, torch.tensor(0.25), integers(13, signed=True))
        assert Accumulator(bits=bits, mode="wrap", signed=signed)(total).codes().tolist() == register


@pytest.mark.parametrize("keep_scale", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.1, 1 / 3])
@pytest.mark.parametrize("wire", WIRES)
def test_truncate(wire: tuple[int, int], scale: float, keep_scale: bool) -> None:
    x = sums(*wire, scale)
    for bits in range(2, 11):
        out = Accumulator(bits=bits, mode="truncate", keep_scale=keep_scale)(x)
        shift = max(int(x.range.bits) - bits, 0)
        expected = [value >> shift for value in range(wire[0], wire[1] + 1)]
        assert out.codes().tolist() == expected
        assert (min(expected), max(expected)) == (float(out.range.low), float(out.range.high))
        assert float(out.scale) == pytest.approx(scale * (1 if keep_scale else 2**shift))


def test_learned_widths_never_exceed_what_enters() -> None:
    x = sums(-8, 7, 0.5)
    wide = LearnedBits(12, most=16)
    for mode in ("saturate", "wrap", "truncate"):
        out = Accumulator(bits=wide, mode=mode)(x)
        assert out.codes().tolist() == list(range(-8, 8)) and int(out.bit_width) == 4


@pytest.mark.parametrize("mode", ["saturate", "truncate"])
def test_a_learned_width_hears_the_hardware(mode: str) -> None:
    bits = LearnedBits(5)
    Accumulator(bits=bits, mode=mode).range(integers(10, signed=True)).bits.backward()
    assert bits.offset.grad is not None and float(bits.offset.grad) > 0


@pytest.mark.parametrize("removed", [0, 1, 3, 4, 8])
def test_removed_bits_saturate_at_both_bounds(removed: int) -> None:
    bits = NarrowedBits(removed, least=3, most=9)
    for width in range(1, 20):
        entering = torch.tensor(float(width), requires_grad=True)
        assert bits(entering).item() == clipped(width - removed, 3, 9)
        assert bits.cut(entering).item() == width - clipped(width - removed, 3, 9)
        (gradient,) = torch.autograd.grad(bits(entering), entering)
        assert gradient == 1.0  # also at the bounds, so that it can come back


def owned(mode: str, bits: int, bias: bool) -> QuantLinear:
    return QuantLinear(
        12,
        5,
        bias=bias,
        weight_quant=IntQuantizer(bits=4, scale=ConstScale(0.7), narrow=True),
        bias_quant=BiasQuantizer(bits=7) if bias else None,
        accumulator=Accumulator(bits=bits, mode=mode),
        source=const_input(bits=4),
    )


REFERENCES: dict[str, Callable[[Tensor, int, int], Tensor]] = {
    "saturate": lambda total, full, bits: total.clamp(*limits(bits, signed=True)),
    "wrap": lambda total, full, bits: (total + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1),
    "truncate": lambda total, full, bits: total >> max(full - bits, 0),
}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("mode", REFERENCES)
def test_a_layer_owns_one(mode: str, bias: bool) -> None:
    """Against int64 arithmetic, with the step that the values must have, and the description that they must obey."""
    source = const_input(bits=4)
    x = source(torch.rand(200, 12))
    for bits in (4, 6, 8):
        layer = owned(mode, bits, bias)
        layer.weight.data.mul_(3)
        total = source.integers(x) @ layer.weight_quant.integers(layer.weight).T
        step = source.step(x) * layer.weight_quant.step(layer.weight)
        signal = Signal(range=source.range(), shape=(12,))
        product = layer.products(signal)
        if layer.bias is not None and layer.bias_quant is not None:
            layer.bias.data.mul_(4)
            quantized = layer.bias_quant(layer.bias, step, product)
            total = total + torch.round(quantized.detach() / step).long()
        spec = layer.describe(signal, shape=(5,))
        unit = next(block for block in spec.blocks if isinstance(block, MatVec))
        full = int(product.bits) if not bias else int(bits_of(layer, product))
        expected = REFERENCES[mode](total, full, bits)
        out = layer(QuantTensor(x, source.step(x), source.range()))
        assert torch.equal(out.codes(), expected)
        torch.testing.assert_close(layer(x), out.value)
        assert inside(expected.flatten().tolist(), spec.output.range)
        assert float(out.range.low) == float(spec.output.range.low)
        assert int(unit.acc.bits) == (bits if mode == "wrap" else full)
        names = [type(block).__name__ for block in spec.blocks]
        assert names == (["MatVec", "Saturate"] if mode == "saturate" else ["MatVec"])


def bits_of(layer: QuantLinear, product: Range) -> Tensor:
    assert layer.bias_quant is not None
    bias = layer.bias_quant.range(product)
    return between(product.low + bias.low, product.high + bias.high).bits


def test_refusals() -> None:
    with pytest.raises(BadOption, match=r"mode='clip'.*saturate, wrap, truncate"):
        Accumulator(bits=8, mode="clip")
    with pytest.raises(BadOption, match="narrow"):
        Accumulator(bits=8, mode="wrap", narrow=True)
    with pytest.raises(BadOption, match="narrow"):
        Accumulator(bits=8, mode="saturate", signed=False, narrow=True)
    with pytest.raises(BadOption, match="keep_scale"):
        Accumulator(bits=8, mode="saturate", keep_scale=True)
    with pytest.raises(BadOption, match="at least 2"):
        Accumulator(bits=1, mode="wrap")
    with pytest.raises(BadOption, match=r"bits=2\.5"):
        Accumulator(bits=2.5, mode="wrap")  # type: ignore[arg-type]
    with pytest.raises(BadOption, match="QuantTensor"):
        Accumulator(bits=8, mode="wrap")(torch.ones(3))
    for wrong in ({"removed": -1}, {"least": 0}, {"least": 9, "most": 8}):
        with pytest.raises(BadOption, match="NarrowedBits"):
            NarrowedBits(**wrong)
    accumulator = Accumulator(bits=8, mode="wrap")
    weight = IntQuantizer(bits=4, scale=ConstScale(1.0))
    with pytest.raises(BadOption, match="bias"):
        QuantLinear(3, 2, weight_quant=weight, accumulator=accumulator)
    layer = QuantLinear(3, 2, bias=False, weight_quant=weight, accumulator=accumulator)
    with pytest.raises(UnknownPrecision, match="source="):
        layer(torch.ones(1, 3))

"""Sums and concatenations, every pair of codes."""

from itertools import product

import pytest
import torch
from torch import Tensor

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import bits_for, integers, unknown
from hwcost.graph.spec import Adder, Concat, Signal, Thresholds
from hwcost.quant import ConstScale, IntQuantizer, QuantAdd, QuantConcat, QuantTensor, ShiftAdd, learned_activation


def quantizer(bits: int, *, step: float, signed: bool = True, narrow: bool = False) -> IntQuantizer:
    """Of a given step: the scale is the value of the integer N."""
    reach = 2 ** (bits - 1) - narrow if signed else 2**bits - 1
    return IntQuantizer(bits=bits, scale=ConstScale(step * reach), signed=signed, narrow=narrow)


def codes(of: IntQuantizer) -> list[int]:
    return list(range(int(of.range().low), int(of.range().high) + 1))


PAIRS = [
    (quantizer(3, step=0.25), quantizer(3, step=0.25)),
    (quantizer(4, step=0.1), quantizer(2, step=0.1)),
    (quantizer(3, step=0.5, signed=False), quantizer(4, step=0.5, narrow=True)),
    (quantizer(1, step=0.5, signed=False), quantizer(1, step=0.5, signed=False)),
]


def pairs(a: IntQuantizer, b: IntQuantizer) -> tuple[list[tuple[int, int]], Tensor, Tensor]:
    every = list(product(codes(a), codes(b)))
    left, right = torch.tensor(every).T.float()
    step = a.step()
    return every, (left * step).reshape(-1, 1, 1, 1), (right * step).reshape(-1, 1, 1, 1)


@pytest.mark.parametrize("a,b", PAIRS)
def test_every_sum_of_two_codes(a: IntQuantizer, b: IntQuantizer) -> None:
    every, left, right = pairs(a, b)
    layer = QuantAdd([a, b])
    sums = [x + y for x, y in every]
    out = layer(left, right)
    assert isinstance(out, Tensor)
    torch.testing.assert_close(out.flatten(), torch.tensor(sums) * a.step())
    integer = layer(QuantTensor(left, torch.ones(()), a.range()), QuantTensor(right, torch.ones(()), b.range()))
    assert isinstance(integer, QuantTensor) and integer.codes().flatten().tolist() == sums
    signals = [Signal(range=integers(9, signed=True), shape=(2, 3, 5)) for _ in range(2)]
    spec = layer.describe(*signals, shape=(2, 3, 5))
    first, second, adder = spec.blocks
    assert isinstance(first, Thresholds) and isinstance(second, Thresholds) and isinstance(adder, Adder)
    assert (adder.channels, adder.vectors) == (2, 15)
    for wire in (integer.range, adder.output, spec.output.range):
        assert (float(wire.low), float(wire.high)) == (min(sums), max(sums))
        assert int(wire.bits) == int(bits_for(min(sums), max(sums)))


def test_streams_are_brought_onto_the_grid() -> None:
    common = quantizer(4, step=0.5)
    left, right = torch.randn(50, 3), torch.randn(50, 3)
    out = QuantAdd(common)(left, right)
    assert isinstance(out, Tensor) and torch.equal(out, common(left) + common(right))
    ready = QuantAdd(common, ready=(1,))(left, common(right))
    assert isinstance(ready, Tensor) and torch.equal(ready, out)
    untouched = QuantAdd(common, ready=(0, 1))(left, right)
    assert isinstance(untouched, Tensor) and torch.equal(untouched, left + right)


def test_a_ready_stream_costs_nothing_and_must_be_what_it_says() -> None:
    common = quantizer(4, step=0.5)
    layer = QuantAdd(common, ready=(0,))
    made = Signal(range=common.range(), shape=(4,))
    wide = Signal(range=integers(9, signed=True), shape=(4,))
    blocks = layer.describe(made, wide, shape=(4,)).blocks
    assert [type(block) for block in blocks] == [Thresholds, Adder]
    with pytest.raises(UnknownPrecision, match=r"stream 0.*ready="):
        layer.describe(wide, wide, shape=(4,))
    with pytest.raises(UnknownPrecision, match=r"stream 0.*ready="):
        layer.describe(Signal(range=common.range(), shape=(4,), affine="norm"), wide, shape=(4,))


def test_the_second_stream_has_its_own_quantizer() -> None:
    a, b = quantizer(4, step=0.5), quantizer(2, step=0.5)
    big = torch.full((1, 1), 100.0)
    out = QuantAdd([a, b])(big, big)
    assert isinstance(out, Tensor) and out.item() == (7 + 1) * 0.5


def test_concatenation() -> None:
    a, b, c = quantizer(4, step=0.5), quantizer(2, step=0.5), quantizer(3, step=0.5, signed=False)
    streams = [torch.randn(20, 2, 3) * 4, torch.randn(20, 1, 3) * 4, torch.randn(20, 4, 3) * 4]
    layer = QuantConcat([a, b, c])
    out = layer(*streams)
    expected = torch.cat([each(x) for each, x in zip((a, b, c), streams, strict=True)], 1)
    assert isinstance(out, Tensor) and torch.equal(out, expected)
    whole = layer(*(QuantTensor(x, torch.ones(()), integers(20, signed=True)) for x in streams))
    assert isinstance(whole, QuantTensor) and torch.equal(whole.value, expected)
    every = [code for each in (a, b, c) for code in codes(each)]
    spec = layer.describe(*(Signal(range=integers(9, signed=True), shape=(n, 3)) for n in (2, 1, 4)), shape=(7, 3))
    assert [type(block) for block in spec.blocks] == [*[Thresholds] * 3, Concat]
    for wire in (whole.range, spec.output.range):
        assert (float(wire.low), float(wire.high)) == (min(every), max(every))
        assert int(wire.bits) == int(bits_for(min(every), max(every)))
    assert whole.codes().min() >= min(every) and whole.codes().max() <= max(every)


def test_one_learned_quantizer_gets_the_gradients_of_both_streams() -> None:
    common = learned_activation(bits=3, signed=True)
    left, right = torch.randn(50, 3) * 4, torch.randn(50, 3) * 4
    out = QuantAdd(common)(left, right)
    assert isinstance(out, Tensor)
    out.square().sum().backward()
    found = [parameter.grad.clone() for parameter in common.parameters() if parameter.grad is not None]
    common.zero_grad()
    (common(left) + common(right)).square().sum().backward()
    assert len(found) == 2
    for mine, parameter in zip(found, common.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad)


def test_refusals() -> None:
    a, b = quantizer(4, step=0.5), quantizer(4, step=0.25)
    x, signal = torch.ones(1, 2), Signal(range=integers(4, signed=True), shape=(2,))
    with pytest.raises(BadOption, match="unequal steps"):
        QuantAdd([a, b]).describe(signal, signal, shape=(2,))
    with pytest.raises(BadOption, match=r"2 streams.*3 quantizers"):
        QuantAdd([a, a, a])(x, x)
    with pytest.raises(BadOption, match=r"3 streams.*2 quantizers"):
        QuantConcat([a, a])(x, x, x)
    with pytest.raises(BadOption, match=r"ready=\(2,\)"):
        QuantAdd(a, ready=(2,))(x, x)
    for nothing in ((), [None, a], [8]):
        with pytest.raises(BadOption, match="QuantAdd"):
            QuantAdd(nothing)  # type: ignore[arg-type]
    whole = QuantTensor(x, torch.ones(()), integers(4, signed=True))
    with pytest.raises(BadOption, match="two of a kind"):
        QuantAdd(a)(x, whole)
    with pytest.raises(BadOption, match="mixed"):
        QuantConcat(a)(x, whole)


def test_a_sum_of_shifted_integers_counts_in_the_smaller_step() -> None:
    layer = ShiftAdd((0, 2))
    left = QuantTensor(torch.tensor([[0.25, 3.75]]), torch.tensor(0.25), integers(4, signed=False))
    right = QuantTensor(torch.tensor([[-8.0, 7.0]]), torch.tensor(1.0), integers(4, signed=True))
    total = layer(left, right)
    assert total.int().tolist() == [[-31, 43]] and (float(total.range.low), float(total.range.high)) == (-32, 43)
    signals = [Signal(range=x.range, shape=(2,)) for x in (left, right)]
    spec = layer.describe(*signals, shape=(2,))
    assert float(spec.output.range.high) == 43 and [type(block).__name__ for block in spec.blocks] == ["Adder"]
    with pytest.raises(BadOption, match="differ in unit"):
        ShiftAdd((0, 1))(left, right)
    with pytest.raises(BadOption, match="give two of a kind"):
        layer(left, right.value)
    with pytest.raises(BadOption, match=r"ShiftAdd: shifts=\(0, -1\); give the bits"):
        ShiftAdd((0, -1))
    with pytest.raises(UnknownPrecision, match="adds a stream of no width"):
        layer.describe(Signal(range=unknown(), shape=(2,)), signals[1], shape=(2,))

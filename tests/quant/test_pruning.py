"""Widths per weight and per channel, and widths of 0: pruning."""

import itertools

import pytest
import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import bits_for, integers
from hwcost.graph.spec import MatVec, Signal
from hwcost.quant import (
    POW2,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantIdentity,
    QuantLinear,
    StatScale,
    abs_max,
    const_activation,
)


def widths(*bits: float, shape: tuple[int, ...]) -> LearnedBits:
    learned = LearnedBits(3, base=0, shape=shape)
    learned.offset.data = torch.tensor(bits, dtype=torch.float32).reshape(shape)
    return learned


def weights(bits: LearnedBits, *, channel: int | None = 0) -> IntQuantizer:
    return IntQuantizer(bits=bits, scale=StatScale(abs_max, channel_dim=channel, domain=POW2), narrow=True)


def described(layer: QuantLinear | QuantConv2d, bits: int = 4) -> MatVec:
    inputs = layer.in_features if isinstance(layer, QuantLinear) else layer.in_channels
    shape = (inputs,) if isinstance(layer, QuantLinear) else (inputs, 5, 5)
    out = tuple(layer(torch.zeros(1, *shape)).shape[1:])
    (*_, unit) = layer.describe(Signal(range=integers(bits, signed=False), shape=shape), shape=out).blocks
    assert isinstance(unit, MatVec)
    return unit


def test_a_weight_of_0_or_1_bits_is_zero_and_costs_nothing() -> None:
    q = weights(widths(0, 1, 2, 5, shape=(1, 4)))
    y = q(torch.tensor([[0.5, -1.0, 0.6, 0.7]]))
    assert y.tolist() == [[0.0, 0.0, 0.5, 0.6875]]
    wire = q.range()
    assert wire.bits.tolist() == [[0, 0, 2, 5]]
    assert wire.low.tolist() == [[0, 0, -1, -15]] and wire.high.tolist() == [[0, 0, 1, 15]]


def test_an_unsigned_channel_needs_one_bit() -> None:
    q = IntQuantizer(bits=widths(0, 1, 3, shape=(1, 3)), scale=LearnedScale(1.0, domain=POW2), signed=False)
    assert q(torch.tensor([[0.9, 0.9, 0.9]])).tolist() == [[0.0, 0.5, 0.875]]
    assert q.range().bits.tolist() == [[0, 1, 3]]


def test_a_pruned_weight_goes_on_learning_and_its_width_hears_what_pruning_costs() -> None:
    q = weights(widths(0, 0, 4, shape=(1, 3)))
    x = torch.tensor([[0.5, -0.25, 1.0]], requires_grad=True)
    q(x).backward(torch.tensor([[2.0, 3.0, 0.0]]))
    assert x.grad is not None and x.grad.tolist() == [[2.0, 3.0, 0.0]]
    # a wider code moves the value from 0 towards x: the gradient is that of the rounding error, g x ln 2
    expected = torch.tensor([[2 * 0.5, 3 * -0.25, 0.0]]) * torch.log(torch.tensor(2.0))
    torch.testing.assert_close(q.bits.offset.grad, expected)


def test_a_width_leaves_zero_when_the_loss_wants_the_weight() -> None:
    q = weights(widths(0, 4, shape=(1, 2)))
    x = torch.tensor([[0.5, 1.0]])
    optimizer = torch.optim.SGD(q.parameters(), lr=1.0)
    for _ in range(20):
        optimizer.zero_grad()
        (q(x) - x).square().sum().backward()
        optimizer.step()
    assert float(q.bits()[0, 0].detach()) >= 2


def test_a_pruned_tensor_and_rows_are_zero() -> None:
    whole = IntQuantizer(bits=LearnedBits(0, base=0), scale=StatScale(abs_max, channel_dim=0), narrow=True)
    assert not whole(torch.randn(3, 4)).any() and int(whole.range().bits) == 0
    rows = weights(widths(0, 3, shape=(2, 1)))
    y = rows(torch.randn(2, 4))
    assert not y[0].any() and y[1].any()


def brute_force(unit_weights: Tensor, top: int) -> tuple[int, int]:
    """Smallest and largest sum of a row over all inputs 0 and top, given its weights as integers of one unit."""
    sums = [
        int((row * torch.tensor(inputs)).sum())
        for row in unit_weights
        for inputs in itertools.product((0, top), repeat=unit_weights.shape[1])
    ]
    return min(sums), max(sums)


@pytest.mark.parametrize("channel", [0, None])
def test_sums_count_in_the_finest_step_and_stay_in_the_described_range(channel: int | None) -> None:
    bits = widths(2, 5, 3, 0, 4, 2, 1, 2, shape=(2, 4))
    scale = LearnedScale(torch.ones(2, 1) if channel == 0 else 1.0, domain=POW2)
    layer = QuantLinear(4, 2, bias=False, weight_quant=IntQuantizer(bits=bits, scale=scale, narrow=True))
    unit = described(layer)
    assert unit.weight.bits.tolist() == [[2, 5, 3, 0], [4, 2, 0, 2]]
    seen = []
    for signs in itertools.product((-1e4, 1e4), repeat=4):
        layer.weight.data = torch.tensor([signs, signs])
        q = layer.weight_quant
        assert isinstance(q, IntQuantizer)
        common = q(layer.weight) / q.common_step(layer.weight)
        assert torch.equal(common, common.round())
        seen.append(common.detach())
    for row in range(2):
        bounds = [brute_force(codes[row : row + 1].long(), 15) for codes in seen]
        low, high = min(bound[0] for bound in bounds), max(bound[1] for bound in bounds)
        assert (int(unit.acc.low[row]), int(unit.acc.high[row])) == (low, high)
        assert int(unit.acc.bits[row]) == int(bits_for(low, high))


def test_fully_pruned_layer_has_a_range_of_zero() -> None:
    layer = QuantLinear(3, 2, bias=False, weight_quant=weights(LearnedBits(0, base=0, shape=(2, 3))))
    unit = described(layer)
    assert not unit.weight.bits.any() and not unit.acc.low.any() and not unit.acc.high.any()


def test_transposed_convolution_orders_widths_by_output_channel() -> None:
    bits = LearnedBits(3, base=0, shape=(2, 3, 2, 2))
    bits.offset.data = torch.randint(0, 6, bits.offset.shape).float()
    layer = QuantConvTranspose2d(2, 3, 2, weight_quant=weights(bits, channel=1))
    wire = layer.weight_range()
    assert wire.bits.shape == (3, 8)
    expected = bits.offset.detach().transpose(0, 1).reshape(3, 8)
    assert torch.equal(wire.bits, torch.where(expected < 2, 0, expected).double())


def test_widths_in_a_sum_need_steps_a_power_of_two_apart() -> None:
    free = StatScale(abs_max, channel_dim=0)
    with pytest.raises(BadOption, match="POW2"):
        QuantLinear(3, 2, weight_quant=IntQuantizer(bits=LearnedBits(4, shape=(2, 3)), scale=free, narrow=True))
    with pytest.raises(BadOption, match="POW2"):
        QuantIdentity(IntQuantizer(bits=LearnedBits(4, shape=(1, 3)), scale=LearnedScale(1.0)))
    rows = QuantLinear(3, 2, weight_quant=IntQuantizer(bits=LearnedBits(4, shape=(2, 1)), scale=free, narrow=True))
    assert described(rows).weight.bits.shape == (2,)


def test_widths_must_fit_the_weights() -> None:
    with pytest.raises(BadOption, match=r"\(3, 1\)"):
        QuantLinear(3, 2, weight_quant=weights(LearnedBits(4, shape=(3, 1))))


def test_rows_of_unequal_widths_under_one_scale_are_an_affine_map() -> None:
    layer = QuantLinear(
        3, 2, False, weight_quant=IntQuantizer(bits=LearnedBits(4, shape=(2, 1)), scale=StatScale(abs_max), narrow=True)
    )
    after = layer.describe(Signal(range=integers(4, signed=False), shape=(3,)), shape=(2,)).output
    assert after.affine is not None
    aligned = QuantLinear(3, 2, False, weight_quant=weights(LearnedBits(4, shape=(2, 1)), channel=None))
    after = aligned.describe(Signal(range=integers(4, signed=False), shape=(3,)), shape=(2,)).output
    assert after.affine is None


def test_channels_of_a_stream_may_have_widths_of_their_own() -> None:
    q = IntQuantizer(bits=widths(1, 4, 0, shape=(1, 3, 1, 1)), scale=LearnedScale(1.0, domain=POW2), signed=False)
    layer = QuantIdentity(q)
    x = torch.rand(2, 3, 4, 4)
    y = q.tensor(x)
    codes = y.codes()
    assert torch.equal(codes.double() * float(y.scale.detach()), y.value.detach().double())
    wire = layer.describe(Signal(range=integers(8, signed=True), shape=(3, 4, 4)), shape=(3, 4, 4)).output.range
    assert wire.bits.tolist() == [1, 4, 0]
    assert int(codes.max()) <= int(wire.high.max())


def test_signed_widths_start_at_0_or_2() -> None:
    with pytest.raises(BadOption, match="0 to allow pruning"):
        IntQuantizer(bits=LearnedBits(3, base=1), scale=LearnedScale(1.0))
    assert const_activation(bits=1).range().bits == 1

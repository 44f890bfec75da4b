"""Layers: values, descriptions, refusals."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import binary, bits_for, integers, unknown
from hwcost.graph.spec import MatVec, Signal, Thresholds, Window
from hwcost.quant import (
    POW2,
    BinaryQuantizer,
    ConstScale,
    IntQuantizer,
    LearnedBits,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    StatScale,
    abs_max,
    const_weight,
    int8_input,
    learned_activation,
    learned_weight,
)


def pixels(shape: tuple[int, ...], bits: int = 8) -> Signal:
    return Signal(range=integers(bits, signed=False), shape=shape)


def test_linear_describes_its_exact_accumulator() -> None:
    layer = QuantLinear(16, 5, bias=False, weight_quant=const_weight(bits=4, per_channel=False))
    spec = layer.describe(pixels((16,)), shape=(5,))
    (unit,) = spec.blocks
    assert isinstance(unit, MatVec)
    assert (unit.rows, unit.cols, unit.groups, unit.vectors, unit.macs) == (5, 16, 1, 1, 80)
    assert (int(unit.acc.low), int(unit.acc.high)) == (-7 * 255 * 16, 7 * 255 * 16)
    assert int(unit.acc.bits) == int(bits_for(-7 * 255 * 16, 7 * 255 * 16))
    assert spec.output.affine is None


def test_description_follows_the_learned_width_with_gradient() -> None:
    layer = QuantLinear(16, 5, bias=False, weight_quant=learned_weight(bits=4))
    spec = layer.describe(pixels((16,)), shape=(5,))
    spec.output.range.bits.sum().backward()
    grad = layer.weight_quant.bits.offset.grad
    assert grad is not None and grad > 0
    layer.weight_quant.bits.offset.data.fill_(4)
    unit = layer.describe(pixels((16,)), shape=(5,)).blocks[0]
    assert isinstance(unit, MatVec) and int(unit.weight.bits) == 6


def test_conv_describes_window_and_product() -> None:
    layer = QuantConv2d(6, 12, 3, stride=2, padding=1, groups=3, weight_quant=const_weight(bits=4))
    out = tuple(layer(torch.rand(1, 6, 9, 8)).shape[1:])
    window, unit = layer.describe(pixels((6, 9, 8)), shape=out).blocks
    assert isinstance(window, Window) and isinstance(unit, MatVec)
    assert window.padding == ((1, 1), (1, 1)) and window.output == out[1:] and not window.depthwise
    assert (unit.rows, unit.cols, unit.groups, unit.vectors) == (4, 18, 3, 20)


def test_pointwise_conv_needs_no_window_depthwise_keeps_channels_apart() -> None:
    pointwise = QuantConv2d(4, 8, 1, weight_quant=const_weight())
    assert [type(block) for block in pointwise.describe(pixels((4, 5, 5)), shape=(8, 5, 5)).blocks] == [MatVec]
    strided = QuantConv2d(4, 8, 1, stride=2, weight_quant=const_weight())
    assert [type(block) for block in strided.describe(pixels((4, 5, 5)), shape=(8, 3, 3)).blocks] == [Window, MatVec]
    depthwise = QuantConv2d(4, 4, 3, groups=4, weight_quant=const_weight())
    window, unit = depthwise.describe(pixels((4, 5, 5)), shape=(4, 3, 3)).blocks
    assert isinstance(window, Window) and window.depthwise
    assert isinstance(unit, MatVec) and (unit.rows, unit.cols, unit.groups) == (1, 9, 4)


@pytest.mark.parametrize("size,kernel,stride,expected", [(5, 3, 2, (1, 1)), (6, 3, 2, (0, 1)), (7, 1, 2, (0, 0))])
def test_same_padding(size: int, kernel: int, stride: int, expected: tuple[int, int]) -> None:
    layer = QuantConv2d(1, 1, kernel, stride=stride, padding="same", bias=False, weight_quant=None)
    assert layer.pads((size, size)) == (expected, expected)
    assert layer(torch.zeros(1, 1, size, size)).shape[-1] == -(-size // stride)


def test_same_padding_pads_after() -> None:
    layer = QuantConv2d(1, 1, 3, stride=2, padding="same", bias=False, weight_quant=None)
    layer.weight.data = torch.arange(9.0).reshape(1, 1, 3, 3)
    image = torch.rand(1, 1, 6, 6)
    expected = nn.functional.conv2d(nn.functional.pad(image, (0, 1, 0, 1)), layer.weight, stride=2)
    assert torch.equal(layer(image), expected)


def test_float_bias_and_channel_scales_are_affine_until_an_activation_absorbs_them() -> None:
    layer = QuantLinear(4, 4, bias=True, weight_quant=const_weight(per_channel=False))
    after = layer.describe(pixels((4,)), shape=(4,)).output
    assert after.affine is not None and "bias" in after.affine
    scaled = QuantLinear(4, 4, bias=False, weight_quant=const_weight())
    assert "scale" in str(scaled.describe(pixels((4,)), shape=(4,)).output.affine)
    with pytest.raises(UnknownPrecision, match=r"bias \(QuantLinear\).*QuantReLU"):
        scaled.describe(after, shape=(4,))
    relu = QuantReLU(learned_activation())
    spec = relu.describe(after, shape=(4,))
    (comparators,) = spec.blocks
    assert isinstance(comparators, Thresholds) and comparators.channels == 4
    assert spec.output.affine is None
    scaled.describe(spec.output, shape=(4,))


def test_input_quantizer() -> None:
    layer = QuantLinear(4, 4, bias=False, weight_quant=const_weight(), input_quant=int8_input())
    assert [type(block) for block in layer.describe(Signal(range=unknown(), shape=(4,)), shape=(4,)).blocks] == [MatVec]
    spec = layer.describe(pixels((4,), bits=12), shape=(4,))
    assert [type(block) for block in spec.blocks] == [Thresholds, MatVec]
    x = torch.rand(2, 4)
    plain = QuantLinear(4, 4, bias=False, weight_quant=None)
    plain.weight.data = layer.weight_quant(layer.weight).detach()
    assert torch.equal(layer(x), plain(layer.input_quant(x)))


def test_identity_at_a_float_input_builds_nothing() -> None:
    spec = QuantIdentity(int8_input()).describe(Signal(range=unknown(), shape=(3, 4, 4)), shape=(3, 4, 4))
    assert spec.blocks == () and int(spec.output.range.bits) == 8


def test_refusals() -> None:
    with pytest.raises(UnknownPrecision, match="weight_quant"):
        QuantLinear(4, 4, weight_quant=None).describe(pixels((4,)), shape=(4,))
    with pytest.raises(UnknownPrecision, match="input_bits"):
        QuantLinear(4, 4, weight_quant=const_weight()).describe(Signal(range=unknown(), shape=(4,)), shape=(4,))
    with pytest.raises(UnknownPrecision, match="quantizer"):
        QuantReLU(None).describe(pixels((4,)), shape=(4,))
    with pytest.raises(UnknownPrecision, match="bipolar"):
        layer = QuantConv2d(1, 1, 3, padding=1, weight_quant=const_weight())
        layer.describe(Signal(range=binary(), shape=(1, 4, 4)), shape=(1, 4, 4))
    with pytest.raises(BadOption, match="signed"):
        QuantReLU(learned_activation(signed=True))
    with pytest.raises(BadOption, match="signed"):
        QuantReLU(BinaryQuantizer(scale=ConstScale(1.0)))
    with pytest.raises(BadOption, match="weight_quant"):
        QuantLinear(4, 4, weight_quant=8)  # type: ignore[arg-type]
    with pytest.raises(BadOption, match="flatten"):
        QuantLinear(4, 4, weight_quant=const_weight()).describe(pixels((2, 4)), shape=(2, 4))
    with pytest.raises(BadOption, match="padding"):
        QuantConv2d(1, 1, 3, padding="valid", weight_quant=None)
    with pytest.raises(TypeError):
        QuantLinear(4, 4, weight_quant=None, weight_bits=3)  # type: ignore[call-arg]


def small() -> nn.Sequential:
    return nn.Sequential(
        QuantIdentity(int8_input()),
        QuantConv2d(1, 4, 3, weight_quant=learned_weight(bits=4)),
        QuantReLU(learned_activation(bits=4)),
        nn.Flatten(),
        QuantLinear(4 * 4, 3, weight_quant=learned_weight(bits=4)),
    )


def test_deepcopy_and_pickle() -> None:
    net, x = small(), torch.rand(2, 1, 4, 4)
    net[4] = QuantLinear(16, 3, weight_quant=learned_weight(bits=4))
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))


def test_loading_keeps_every_parameter_object() -> None:
    net, other = small(), small()
    before = {name: id(parameter) for name, parameter in net.named_parameters()}
    other[2].quant.bits.offset.data.fill_(5)
    net.load_state_dict(other.state_dict())
    assert {name: id(parameter) for name, parameter in net.named_parameters()} == before
    assert int(net[2].quant.range().bits) == 7


def test_float_state_dict_keys_are_kept() -> None:
    assert set(QuantLinear(3, 2, weight_quant=const_weight()).state_dict()) == {"weight", "bias"}
    assert set(QuantConv2d(3, 2, 1, weight_quant=const_weight()).state_dict()) == {"weight", "bias"}


def test_a_model_in_bfloat16_keeps_its_price() -> None:
    net = small()
    net[2].quant.bits.offset.data.fill_(2.499)  # bfloat16 would make it 2.5, and 2 bits more at 3.5
    before = [parameter.clone() for parameter in net[2].quant.parameters()]
    net.bfloat16()
    assert all(torch.equal(a, b) for a, b in zip(before, net[2].quant.parameters(), strict=True))
    assert net(torch.rand(2, 1, 4, 4).bfloat16()).dtype == torch.bfloat16


def test_autocast_trains() -> None:
    net = small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = net(torch.rand(2, 1, 4, 4)).float().square().sum()
    loss.backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())


def test_one_weight_gets_every_gradient() -> None:
    net = small()
    net(torch.rand(8, 1, 4, 4)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name


@pytest.mark.parametrize("outputs", [4, 5])
def test_widths_per_input_are_described_per_weight_also_where_inputs_equal_outputs(outputs: int) -> None:
    """Four inputs: with four outputs the counts agree, and say nothing."""
    for convolves, shape in ((False, (4,)), (True, (1, 4, 1, 1))):
        bits = LearnedBits(4, shape=shape)
        bits.offset.data = torch.tensor([0.0, 6.0, 2.0, 4.0]).reshape(shape)
        quantizer = IntQuantizer(bits=bits, scale=StatScale(abs_max, channel_dim=0, domain=POW2))
        layer = (
            QuantConv2d(4, outputs, 3, bias=False, weight_quant=quantizer)
            if convolves
            else QuantLinear(4, outputs, False, weight_quant=quantizer)
        )
        wire, codes = layer.weight_range(), layer.integers()
        assert wire.low.shape == codes.shape
        assert bool((codes >= wire.low).all() and (codes <= wire.high).all())


@pytest.mark.parametrize("layer", [QuantLinear, QuantConv2d, QuantConvTranspose2d])
def test_arguments_that_do_not_exist_or_are_missing_are_named(layer: Callable[..., nn.Module]) -> None:
    with pytest.raises(
        TypeError, match="unexpected keyword argument 'weights_quant'; the quantizers are weight_quant, input_quant"
    ):
        layer(2, 2, **({} if layer is QuantLinear else {"kernel_size": 1}), weight_quant=None, weights_quant=None)
    with pytest.raises(TypeError, match="weight_quant is missing; give a quantizer, or None"):
        layer(2, 2, **({} if layer is QuantLinear else {"kernel_size": 1}))

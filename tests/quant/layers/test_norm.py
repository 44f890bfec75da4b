"""Batch norms folded, or turned into integer scales and biases."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import bits_for, integers
from hwcost.graph.spec import ScaleBias as ScaleBiasBlock
from hwcost.graph.spec import Signal, Thresholds
from hwcost.quant import (
    POW2,
    Accumulator,
    BiasQuantizer,
    ConstScale,
    IntQuantizer,
    LearnedScale,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantLinear,
    QuantScaleBias,
    QuantTensor,
    ScaleBias,
    StatScale,
    abs_max,
    const_input,
    const_weight,
    fold_batch_norm,
    learned_weight,
)

NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


def trained(norm: Any) -> Any:
    """Statistics and parameters that nothing about is 0 or 1, of both signs."""
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.2, 3.0)
    if norm.affine:
        norm.weight.data.normal_()
        norm.bias.data.normal_()
    return norm.eval()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "build,shape",
    [
        (lambda bias: nn.Linear(5, 4, bias=bias), (3, 5)),
        (lambda bias: nn.Conv1d(3, 4, 3, bias=bias), (2, 3, 8)),
        (lambda bias: nn.Conv2d(3, 4, 3, padding=1, bias=bias), (2, 3, 6, 6)),
        (lambda bias: nn.Conv2d(4, 4, 3, groups=4, bias=bias), (2, 4, 6, 6)),
        (lambda bias: nn.Conv2d(4, 8, 3, groups=2, bias=bias), (2, 4, 6, 6)),
        (lambda bias: nn.Conv3d(2, 4, 2, bias=bias), (2, 2, 4, 4, 4)),
        (lambda bias: nn.ConvTranspose2d(3, 4, 3, stride=2, bias=bias), (2, 3, 4, 4)),
        (lambda bias: QuantConv2d(3, 4, 3, bias=bias, weight_quant=None), (2, 3, 6, 6)),
    ],
)
def test_folding_changes_no_value(build: Any, shape: tuple[int, ...], bias: bool, affine: bool) -> None:
    layer, x = build(bias), torch.randn(shape)
    y = layer(x)
    norm = trained(NORMS[y.ndim](y.shape[1], affine=affine))
    expected, weight, old_bias = norm(y).detach(), layer.weight, layer.bias
    fold_batch_norm(layer, norm)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-6)
    assert layer.weight is weight and isinstance(layer.bias, nn.Parameter)
    assert old_bias is None or layer.bias is old_bias


def test_folding_is_refused_where_it_would_be_wrong() -> None:
    norm = trained(nn.BatchNorm2d(4))
    with pytest.raises(BadOption, match="ReLU"):
        fold_batch_norm(nn.ReLU(), norm)
    with pytest.raises(BadOption, match="no groups"):
        fold_batch_norm(nn.ConvTranspose2d(4, 4, 3, groups=2), norm)
    with pytest.raises(BadOption, match="3 channels and 4"):
        fold_batch_norm(nn.Conv2d(4, 3, 3), norm)
    with pytest.raises(BadOption, match="track"):
        fold_batch_norm(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))
    narrow = QuantLinear(4, 4, bias=False, weight_quant=const_weight(), accumulator=Accumulator(bits=8, mode="wrap"))
    with pytest.raises(BadOption, match="bias_quant"):
        fold_batch_norm(narrow, trained(nn.BatchNorm1d(4)))


SCALES: dict[str, Any] = {
    "learned per channel": lambda channel: LearnedScale.from_stat(abs_max, channel_dim=channel),
    "learned pow2 per channel": lambda channel: LearnedScale.from_stat(abs_max, channel_dim=channel, domain=POW2),
    "learned, one": lambda channel: LearnedScale.from_stat(abs_max),
    "statistic": lambda channel: StatScale(abs_max, channel_dim=channel),
}


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("transposed", [False, True])
def test_the_scale_of_folded_weights_follows(name: str, transposed: bool) -> None:
    weight = IntQuantizer(bits=8, scale=SCALES[name](int(transposed)), narrow=True)
    kind: Any = QuantConvTranspose2d if transposed else QuantConv2d
    layer, x = kind(3, 4, 3, weight_quant=weight), torch.randn(2, 3, 6, 6)
    norm = trained(nn.BatchNorm2d(4))
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([8.0, -0.25, 4.0, 1.0]) * torch.sqrt(norm.running_var + norm.eps))  # factors
    expected = norm(layer(x)).detach()
    fold_batch_norm(layer, norm)
    found = layer(x).detach()
    if name == "learned, one":  # one step for channels whose sizes differ now
        threshold = weight.scale().detach()
        torch.testing.assert_close(threshold, layer.weight.detach().abs().max())
        return
    assert float((found - expected).norm() / expected.norm()) < 1e-6


def test_what_a_scale_has_learned_since_it_started_is_kept() -> None:
    weight = IntQuantizer(bits=8, scale=LearnedScale.from_stat(abs_max, channel_dim=0), narrow=True)
    layer, norm = QuantLinear(5, 4, weight_quant=weight), trained(nn.BatchNorm1d(4))
    with torch.no_grad():
        weight.scale.value -= 0.3
    x = torch.randn(3, 5)
    expected = norm(layer(x)).detach()
    fold_batch_norm(layer, norm)
    assert float((layer(x).detach() - expected).norm() / expected.norm()) < 1e-6


def test_a_scale_that_cannot_follow_is_refused_and_nothing_is_changed() -> None:
    class Own(nn.Module):
        signed = True
        quantize = integers = step = tensor = range = forward = lambda self, x=None: x

    for quantizer, message in (
        (IntQuantizer(bits=4, scale=ConstScale(1.0)), "ConstScale is constant"),
        (Own(), r"Own has no follow"),
    ):
        layer = QuantLinear(5, 4, weight_quant=quantizer)
        before = layer.weight.detach().clone()
        with pytest.raises(BadOption, match=message):
            fold_batch_norm(layer, trained(nn.BatchNorm1d(4)))
        assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 6), (5, 4, 3, 2)])
def test_from_a_batch_norm(shape: tuple[int, ...]) -> None:
    norm = trained(NORMS[len(shape)](4))
    x = torch.randn(shape)
    layer = QuantScaleBias.from_batch_norm(norm, weight_quant=None)
    torch.testing.assert_close(layer(x), norm(x), rtol=1e-5, atol=1e-6)
    coarse = QuantScaleBias.from_batch_norm(norm, weight_quant=const_weight(bits=12, per_channel=False))
    step = coarse.weight_quant.step(coarse.weight).item()  # type: ignore[union-attr] # given
    assert bool(((coarse(x) - norm(x)).abs() <= step / 2 * x.abs() + 1e-5).all())


def test_a_scale_from_a_statistic_starts_at_the_folded_factors() -> None:
    norm = trained(nn.BatchNorm1d(4))
    weight = IntQuantizer(bits=8, scale=LearnedScale.from_stat(abs_max), narrow=True)
    layer = QuantScaleBias.from_batch_norm(norm, weight_quant=weight)
    torch.testing.assert_close(weight.scale().detach(), layer.weight.detach().abs().max())


@pytest.mark.parametrize("signed", [True, False])
def test_every_integer(signed: bool) -> None:
    """All codes through all channels, against int64 arithmetic; and the described range is exactly what they reach."""
    source = IntQuantizer(bits=4, scale=ConstScale(0.8), signed=signed)
    weight = IntQuantizer(bits=4, scale=ConstScale(1.4), narrow=True)
    layer = QuantScaleBias(15, weight_quant=weight, bias_quant=BiasQuantizer(bits=6), source=source)
    layer.weight.data.copy_(torch.arange(-7, 8) * 0.2)
    layer.bias.data.copy_(torch.linspace(-4, 4, 15))  # type: ignore[union-attr] # has one
    codes = torch.arange(int(source.range().low), int(source.range().high) + 1)
    x = (codes * source.step())[:, None].expand(-1, 15)
    product = layer.product_range(source.range())
    step = source.step() * weight.step()
    bias = torch.round(layer.bias_quant(layer.bias, step, product).detach() / step).long()  # type: ignore[misc] # given
    assert set(bias.tolist()) >= {-32, 31}  # the bias covers its range, so that the sums below reach theirs
    expected = codes[:, None] * weight.integers(layer.weight) + bias
    out = layer(QuantTensor(x, source.step(), source.range()))
    assert torch.equal(out.codes(), expected)
    assert torch.equal(layer(x), out.value)
    spec = layer.describe(Signal(range=source.range(), shape=(15,)), shape=(15,))
    (block,) = spec.blocks
    assert isinstance(block, ScaleBiasBlock)
    products = codes[:, None] * torch.arange(-7, 8)
    low, high = int(products.min()) - 32, int(products.max()) + 31
    for wire in (out.range, block.output, spec.output.range):
        assert (int(wire.low), int(wire.high), int(wire.bits)) == (low, high, int(bits_for(low, high)))


def test_description() -> None:
    signal = Signal(range=integers(6, signed=True), shape=(3, 4, 5))
    plain = QuantScaleBias(3, weight_quant=const_weight(bits=4, per_channel=False))
    spec = plain.describe(signal, shape=(3, 4, 5))
    (block,) = spec.blocks
    assert isinstance(block, ScaleBiasBlock)
    assert (block.channels, block.vectors, block.bias) == (3, 20, None)
    assert spec.output.affine is not None and "float bias" in spec.output.affine
    each = StatScale(abs_max, channel_dim=0)
    channels = QuantScaleBias(3, bias=False, weight_quant=IntQuantizer(bits=4, scale=each, narrow=True))
    affine = channels.describe(signal, shape=(3, 4, 5)).output.affine
    assert affine is not None and "per channel" in affine
    whole = QuantScaleBias(
        3, bias=False, weight_quant=learned_weight(per_channel=False), input_quant=const_input(bits=3)
    )
    spec = whole.describe(signal, shape=(3, 4, 5))
    assert [type(block) for block in spec.blocks] == [Thresholds, ScaleBiasBlock] and spec.output.affine is None
    with pytest.raises(UnknownPrecision, match="weight_quant="):
        QuantScaleBias(3, weight_quant=None).describe(signal, shape=(3, 4, 5))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4), (5, 3, 4, 2)])
def test_float_scale_and_bias(shape: tuple[int, ...], bias: bool) -> None:
    layer, x = ScaleBias(3, bias), torch.randn(shape)
    layer.weight.data.normal_()
    if layer.bias is not None:
        layer.bias.data.normal_()
    out = layer(x)
    for channel in range(3):
        added = 0 if layer.bias is None else layer.bias[channel]
        assert torch.equal(out[:, channel], x[:, channel] * layer.weight[channel] + added)


def gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    layer.zero_grad()
    layer(x).square().sum().backward()
    return [parameter.grad.clone() for parameter in layer.parameters() if parameter.grad is not None]


def test_it_trains_and_copies() -> None:
    layer = QuantScaleBias(3, weight_quant=learned_weight(bits=4), input_quant=const_input(bits=4))
    layer.weight.data.copy_(torch.tensor([0.3, -1.2, 0.7]))
    x = torch.rand(6, 3)
    found = gradients(layer, x)
    assert len(found) == 3 and all(bool(gradient.isfinite().all()) for gradient in found)
    twin = copy.deepcopy(layer)
    assert all(map(torch.equal, gradients(twin, x), found))


def test_refusals() -> None:
    weight = const_weight(bits=4)
    with pytest.raises(BadOption, match="channels=0"):
        ScaleBias(0)
    with pytest.raises(BadOption, match="bias=False"):
        QuantScaleBias(3, bias=False, weight_quant=weight, bias_quant=BiasQuantizer())
    with pytest.raises(BadOption, match="bias_quant=8"):
        QuantScaleBias(3, weight_quant=weight, bias_quant=8)  # type: ignore[arg-type]
    with pytest.raises(UnknownPrecision, match="source="):
        QuantScaleBias(3, weight_quant=weight, bias_quant=BiasQuantizer())(torch.ones(1, 3))
    whole = QuantTensor(torch.ones(1, 3), torch.ones(()), integers(4, signed=True))
    with pytest.raises(BadOption, match="bias_quant="):
        QuantScaleBias(3, weight_quant=weight)(whole)
    with pytest.raises(BadOption, match="track"):
        QuantScaleBias.from_batch_norm(nn.BatchNorm1d(3, track_running_stats=False), weight_quant=None)

"""`source=` ties a layer to the quantizer in front; a broken tie is refused by trace and by the integers."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import hwcost
from hwcost.errors import BadOption, UnknownPrecision
from hwcost.integer import IntegerNetwork
from hwcost.quant import (
    POW2,
    Accumulator,
    BiasQuantizer,
    ConstScale,
    IntQuantizer,
    LearnedBits,
    QuantAdd,
    QuantAvgPool2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    const_activation,
    const_weight,
    int8_input,
)


def linear(source: Any, **options: Any) -> QuantLinear:
    weight = const_weight(bits=4, per_channel=False)
    return QuantLinear(8, 4, weight_quant=weight, bias_quant=BiasQuantizer(bits=8), source=source, **options)


def scaled(source: Any) -> QuantScaleBias:
    weight = const_weight(bits=4, per_channel=False)
    return QuantScaleBias(8, weight_quant=weight, bias_quant=BiasQuantizer(bits=8), source=source)


READERS: dict[str, tuple[Callable[[Any], nn.Module], tuple[int, ...]]] = {
    "linear": (linear, (8,)),
    "scale and bias": (scaled, (8,)),
    "pool": (lambda source: QuantAvgPool2d(2, source=source), (8, 4, 4)),
}
EVERY = pytest.mark.parametrize("name", READERS)


def tied(name: str) -> tuple[nn.Sequential, torch.Tensor]:
    reader, shape = READERS[name]
    quantizer = const_activation(bits=4, max_val=2.0)
    return nn.Sequential(QuantReLU(quantizer), reader(quantizer)), torch.rand(3, *shape)


def traced(net: nn.Module, x: torch.Tensor) -> hwcost.Pipeline:
    return hwcost.trace(net, x, input_bits=8)


@EVERY
def test_a_tie_holds_through_copies_of_the_whole_network(name: str) -> None:
    net, x = tied(name)
    for twin in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        traced(twin, x)
        assert twin[1].source is twin[0].quant


@EVERY
@pytest.mark.parametrize("breach", ["replaced", "copied alone", "replaced after trace"])
def test_a_broken_tie_is_refused_by_name(name: str, breach: str) -> None:
    net, x = tied(name)
    pipeline = traced(net, x)
    if breach == "copied alone":
        net[1] = copy.deepcopy(net[1])
    else:
        net[0].quant = const_activation(bits=4, max_val=2.0)
    message = r"1: its source= is not what makes its input .*set_source"
    if breach == "replaced after trace":
        with pytest.raises(UnknownPrecision, match=message):
            pipeline.layers()
        with pytest.raises(UnknownPrecision, match=message):
            IntegerNetwork.of(pipeline, input_step=1 / 255)
        return
    with pytest.raises(UnknownPrecision, match=message):
        traced(net, x)
    net[1].set_source(net[0].quant)
    traced(net, x)


@EVERY
def test_the_remedy_restores_the_values(name: str) -> None:
    net, x = tied(name)
    if name == "scale and bias":
        net[1].bias.data.normal_()
    expected = net(x)
    net[1] = copy.deepcopy(net[1])
    with torch.no_grad():
        net[0].quant.scale.value += 0.3
        moved = net(x)
    net[1].set_source(net[0].quant)
    right = net(x)
    assert not torch.equal(moved, right) and right.shape == expected.shape


def test_what_lies_between_is_followed() -> None:
    quantizer = const_activation(bits=4)
    through = nn.Sequential(QuantReLU(quantizer), nn.MaxPool2d(2), nn.Dropout(), nn.Flatten(), linear(quantizer))
    traced(through, torch.rand(1, 2, 4, 4))
    averaged = nn.Sequential(QuantReLU(quantizer), QuantAvgPool2d(2, source=quantizer), nn.Flatten(), linear(quantizer))
    traced(averaged, torch.rand(1, 2, 4, 4))
    corrected = nn.Sequential(
        QuantReLU(quantizer), QuantAvgPool2d(3, corrected=True, source=quantizer), nn.Flatten(), linear(quantizer)
    )
    with pytest.raises(UnknownPrecision, match=r"3: its source= is not what makes its input \(QuantAvgPool2d\)"):
        traced(corrected, torch.rand(1, 2, 6, 6))


def test_a_sum_is_no_longer_what_its_quantizer_made() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, quantizer = QuantIdentity(int8_input()), const_activation(bits=4)
            self.add, self.fc = QuantAdd(quantizer), linear(quantizer)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            return self.fc(self.add(x, x))  # type: ignore[no-any-return] # of a module

    with pytest.raises(UnknownPrecision, match=r"fc: its source= makes integers from 0 to 15, and from 0 to 30 enter"):
        hwcost.trace(Residual(), torch.rand(1, 8))


def test_a_product_in_front_is_no_quantizer() -> None:
    quantizer = const_activation(bits=4)
    first = QuantLinear(8, 8, False, weight_quant=const_weight(bits=4, per_channel=False))
    with pytest.raises(UnknownPrecision, match=r"2: its source= .*\(QuantLinear\)"):
        traced(nn.Sequential(QuantReLU(quantizer), first, linear(quantizer)), torch.rand(1, 8))


def test_channels_of_several_widths_are_read_on_their_common_grid() -> None:
    bits = LearnedBits(4, shape=(8,))
    bits.offset.data = torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 3.0, 2.0])
    quantizer = IntQuantizer(bits=bits, scale=ConstScale(1.0, domain=POW2), signed=False)
    net = nn.Sequential(QuantReLU(quantizer), linear(quantizer, accumulator=Accumulator(bits=9, mode="saturate")))
    x = torch.rand(20, 8)
    pipeline = hwcost.trace(net, x, input_bits=8)
    codes = quantizer.common_step()
    (layer,) = (layer for layer in pipeline.layers() if layer.name == "1")
    whole = torch.round(net[0](x).detach() / codes.detach())
    assert float(whole.max()) <= float(layer.inputs[0].range.high.detach().max())
    assert net(x).shape == (20, 4)


def test_no_source_and_no_quantizer_are_refused() -> None:
    with pytest.raises(UnknownPrecision, match=r"QuantLinear.*source=.*QuantTensor.*input_quant="):
        linear(None)(torch.rand(1, 8))
    with pytest.raises(UnknownPrecision, match=r"QuantAvgPool2d.*truncate=False"):
        QuantAvgPool2d(2)(torch.rand(1, 2, 4, 4))
    with pytest.raises(BadOption, match="QuantLinear: source=8"):
        linear(8)

"""Every layer in int64 arithmetic equals its fake-quantized self in float64; and what cannot run says so."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hwcost
from hwcost.errors import BadOption, BrokenRange, UnknownOperation, UnknownPrecision
from hwcost.graph.ranges import between
from hwcost.integer import LOWERINGS, IntegerNetwork
from hwcost.quant import (
    POW2,
    Accumulator,
    BiasQuantizer,
    BinaryQuantizer,
    BoundedQuantizer,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    QuantAffine,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantHardTanh,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    QuantSigmoid,
    QuantTanh,
    RunningScale,
    StatScale,
    abs_max,
    binary_weight,
    const_input,
    learned_activation,
    learned_weight,
)


def act(bits: int = 4, max_val: float = 2.0, signed: bool = False) -> IntQuantizer:
    return learned_activation(bits=bits, max_val=max_val, signed=signed)


def weight(bits: int = 4, **options: Any) -> IntQuantizer:
    return learned_weight(bits=bits, **options)


def front(bits: int = 4, signed: bool = False) -> tuple[QuantIdentity, IntQuantizer]:
    quantizer = const_input(bits=bits, max_val=1.0, signed=signed)
    return QuantIdentity(quantizer), quantizer


def sequence(*layers: Any, signed: bool = False) -> Callable[[], nn.Module]:
    """A network of layers built anew; a layer that needs the step of its input is a function of the quantizer."""

    def build() -> nn.Module:
        first, quantizer = front(signed=signed)
        return nn.Sequential(first, *(layer(quantizer) for layer in layers))

    return build


def linear(i: int, o: int, **options: Any) -> Callable[[IntQuantizer], nn.Module]:
    def build(source: IntQuantizer) -> nn.Module:
        chosen = {name: part() if callable(part) else part for name, part in options.items()}
        needs = chosen.keys() & {"bias_quant", "accumulator"}
        return QuantLinear(
            i, o, **{"weight_quant": weight(), "bias": False} | chosen | ({"source": source} if needs else {})
        )

    return build


def always(build: Callable[[], nn.Module]) -> Callable[[IntQuantizer], nn.Module]:
    return lambda source: build()


def _bounded() -> BoundedQuantizer:
    return BoundedQuantizer(bits=4, scale=StatScale(abs_max, channel_dim=0), acc_bits=8, input_bits=4)


def _widths(shape: tuple[int, int]) -> IntQuantizer:
    """0 to 5 bits."""
    bits = LearnedBits(4, base=0, shape=shape)
    bits.offset.data = torch.arange(bits.offset.numel()).reshape(shape).remainder(6).float()
    return IntQuantizer(bits=bits, scale=StatScale(abs_max, channel_dim=0, domain=POW2), narrow=True)


class Chained(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.front, _ = front()
        self.left = QuantConv2d(2, 3, 1, weight_quant=weight())
        self.right = QuantConv2d(2, 4, 1, weight_quant=binary_weight())
        self.chain = QuantConcat(act())
        self.conv = QuantConv2d(7, 3, 2, bias=False, weight_quant=weight())

    def forward(self, x: Tensor) -> Tensor:
        x = self.front(x)
        return self.conv(self.chain(self.left(x), self.right(x)))


def _turned(channels: int) -> nn.Module:
    norm = nn.BatchNorm2d(channels)
    nn.init.uniform_(norm.weight, -1, 1)
    nn.init.uniform_(norm.bias, -1, 1)
    return norm


def _conv(*shape: Any, **options: Any) -> Callable[[IntQuantizer], nn.Module]:
    return always(lambda: QuantConv2d(*shape, weight_quant=weight(), **options))


def _up(*shape: Any, **options: Any) -> Callable[[IntQuantizer], nn.Module]:
    return always(lambda: QuantConvTranspose2d(*shape, weight_quant=weight(per_channel=False), **options))


def _relu(source: IntQuantizer) -> nn.Module:
    return QuantReLU(act())


def _saturating() -> Accumulator:
    return Accumulator(bits=6, mode="saturate")


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "bias of its own": (sequence(linear(6, 5), _relu, linear(5, 4, bias=True)), (6,)),
    "bias on the grid": (sequence(linear(6, 5, bias=True, bias_quant=lambda: BiasQuantizer(bits=6))), (6,)),
    "saturating": (sequence(linear(6, 5, accumulator=_saturating)), (6,)),
    "wrapping": (sequence(linear(6, 5, accumulator=lambda: Accumulator(bits=6, mode="wrap"))), (6,)),
    "truncating": (sequence(linear(6, 5, accumulator=lambda: Accumulator(bits=6, mode="truncate")), _relu), (6,)),
    "truncating, same scale": (
        sequence(linear(6, 5, accumulator=lambda: Accumulator(bits=6, mode="truncate", keep_scale=True))),
        (6,),
    ),
    "bounded": (sequence(linear(6, 5, weight_quant=_bounded)), (6,)),
    "widths per channel, some pruned": (sequence(linear(6, 5, weight_quant=lambda: _widths((5, 1)))), (6,)),
    "widths per weight, some pruned": (sequence(linear(6, 5, weight_quant=lambda: _widths((5, 6)))), (6,)),
    "binary": (
        sequence(
            linear(6, 5),
            always(lambda: QuantIdentity(BinaryQuantizer(scale=LearnedScale(0.5), clipped=True))),
            linear(5, 4, weight_quant=binary_weight),
        ),
        (6,),
    ),
    "signed input, input quantizer": (
        sequence(linear(6, 5, input_quant=lambda: act(3, signed=True)), signed=True),
        (6,),
    ),
    "1d": (
        sequence(
            always(lambda: QuantConv1d(2, 4, 3, stride=2, padding=1, weight_quant=weight())),
            _relu,
            always(lambda: nn.MaxPool1d(2)),
        ),
        (2, 11),
    ),
    "strided, padded, dilated": (sequence(_conv(2, 4, 3, stride=2, padding=2, dilation=2), _relu), (2, 9, 8)),
    "grouped": (sequence(_conv(4, 6, 3, groups=2, padding=1), _relu), (4, 6, 6)),
    "same": (sequence(_conv(2, 4, 3, stride=2, padding="same"), _relu), (2, 6, 7)),
    "transposed": (sequence(_up(2, 3, 3, 2, 1, 1), _relu), (2, 4, 5)),
    "transposed, grouped": (sequence(_up(4, 6, (4, 3), 2, 0, groups=2, bias=False)), (4, 4, 5)),
    "transposed, cropped": (sequence(_up(2, 3, 2, 1, 2, bias=False)), (2, 5, 5)),
    "pool over a turned channel": (
        sequence(_conv(2, 6, 3), always(lambda: _turned(6)), always(lambda: nn.MaxPool2d(3, 2, 1)), _relu),
        (2, 8, 8),
    ),
    "average": (sequence(lambda source: QuantAvgPool2d(2, source=source), _conv(2, 3, 1)), (2, 6, 6)),
    "average corrected": (
        sequence(lambda source: QuantAvgPool2d(3, 1, corrected=True, source=source), _relu, signed=False),
        (2, 6, 6),
    ),
    "scale and bias": (
        sequence(
            lambda source: QuantScaleBias(
                2, weight_quant=weight(per_channel=False), bias_quant=BiasQuantizer(bits=6), source=source
            ),
            _relu,
        ),
        (2, 5, 5),
    ),
    "scale and float bias": (
        sequence(always(lambda: QuantScaleBias(2, weight_quant=weight())), _relu, signed=True),
        (2, 5, 5),
    ),
    "sigmoid": (sequence(linear(6, 5), always(lambda: QuantSigmoid(const_input(bits=6)))), (6,)),
    "affine": (
        sequence(linear(6, 5), always(lambda: QuantAffine(const_input(bits=6, signed=True), gain=0.5, offset=-0.2))),
        (6,),
    ),
    "tanh": (sequence(linear(6, 5), always(lambda: QuantTanh(const_input(bits=6, signed=True)))), (6,)),
    "hard tanh": (sequence(linear(6, 5), always(lambda: QuantHardTanh(act(signed=True)))), (6,)),
    "running": (
        sequence(
            linear(6, 5), always(lambda: QuantReLU(IntQuantizer(bits=4, scale=RunningScale(abs_max), signed=False)))
        ),
        (6,),
    ),
    "running per channel": (
        sequence(
            _conv(2, 3, 1),
            always(
                lambda: QuantIdentity(
                    IntQuantizer(bits=LearnedBits(4), scale=RunningScale(abs_max, channel_dim=1, channels=3))
                )
            ),
        ),
        (2, 5, 5),
    ),
    "concatenated": (Chained, (2, 5, 5)),
    "dropout and flatten": (sequence(_conv(2, 3, 2), always(nn.Flatten), always(nn.Dropout), _relu), (2, 4, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_on_integers(name: str) -> None:
    build, shape = LAYERS[name]
    net = build().double()
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            if key.endswith("bias"):
                parameter.uniform_(-0.3, 0.3)
        net.train()(torch.rand(64, *shape, dtype=torch.float64))  # running statistics
    net.eval()
    x = torch.rand(64, *shape, dtype=torch.float64) * 2.4 - 1.2
    integer = IntegerNetwork.of(hwcost.trace(net, x[:1]))
    expected = net(x).detach()
    assert torch.allclose(integer.values(x), expected, rtol=0, atol=1e-12)
    assert expected.unique().numel() > 3
    for found in integer.run(x).values():
        assert found.dtype == torch.int64


def test_refusals() -> None:
    net = sequence(linear(6, 5), _relu)()
    x = torch.rand(2, 6)
    with pytest.raises(BadOption, match="floats enter"):
        IntegerNetwork.of(hwcost.trace(net, x)).codes(x)
    plain = nn.Sequential(QuantLinear(6, 5, weight_quant=weight()), QuantReLU(act()))
    with pytest.raises(BadOption, match="input_step"):
        IntegerNetwork.of(hwcost.trace(plain, x, input_bits=4))
    integer = IntegerNetwork.of(hwcost.trace(plain, x, input_bits=4), input_step=1 / 16)
    for wrong in (torch.full((1, 6), 1 / 32), torch.ones(1, 6), -torch.ones(1, 6) / 16):
        with pytest.raises(BadOption, match="multiple"):
            integer.codes(wrong)
    dynamic = sequence(
        linear(6, 5), always(lambda: QuantReLU(IntQuantizer(bits=4, scale=StatScale(abs_max), signed=False)))
    )()
    with pytest.raises(UnknownPrecision, match=r"2: its scale is a statistic of the data"):
        IntegerNetwork.of(hwcost.trace(dynamic, x))
    with pytest.raises(UnknownOperation, match="2: QuantReLU does not run on integers"):
        without = {key: lowering for key, lowering in LOWERINGS.items() if key is not QuantIdentity}
        IntegerNetwork.of(hwcost.trace(plain_behind_conv(), x, input_bits=4), input_step=1, lowerings=without)


def plain_behind_conv() -> nn.Module:
    return nn.Sequential(QuantLinear(6, 5, bias=False, weight_quant=weight()), nn.Identity(), QuantReLU(act()))


def test_a_description_that_promises_too_little_is_found_out() -> None:
    class Liar(QuantLinear):
        def products(self, signal: Any) -> Any:
            return between(-1, 1)

    net = nn.Sequential(Liar(6, 5, bias=False, weight_quant=weight()))
    integer = IntegerNetwork.of(hwcost.trace(net, torch.rand(1, 6), input_bits=4), input_step=1 / 16)
    with pytest.raises(BrokenRange, match=r"0: an integer of .* leaves the described range"):
        integer.run(torch.full((1, 6), 15))

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
    ConstScale,
    HadamardClassifier,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    QuantActivation,
    QuantAdaptiveAvgPool,
    QuantAffine,
    QuantAvgPool1d,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantConv3d,
    QuantConvTranspose1d,
    QuantConvTranspose2d,
    QuantHardTanh,
    QuantIdentity,
    QuantLinear,
    QuantMean,
    QuantMul,
    QuantPReLU,
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


def _steps(channels: int) -> IntQuantizer:
    return IntQuantizer(bits=4, scale=ConstScale(torch.linspace(0.1, 0.4, channels).reshape(1, -1, 1, 1)), signed=False)


def _unequal() -> IntQuantizer:
    """2 to 5 bits, by channel."""
    bits = LearnedBits(5, base=2, shape=(1, 4, 1, 1))
    bits.offset.data = torch.tensor([0.0, 1.0, 2.0, 3.0]).reshape(1, 4, 1, 1)
    return IntQuantizer(bits=bits, scale=ConstScale(1.0, domain=POW2), signed=False)


def _input_quantized(quantizer: IntQuantizer) -> nn.Module:
    return QuantConv2d(4, 3, 2, bias=False, weight_quant=weight(), input_quant=quantizer)


def _depthwise(channels: int, multiplier: int = 1, **options: Any) -> Callable[[IntQuantizer], nn.Module]:
    def build(source: IntQuantizer) -> nn.Module:
        made = {name: part() for name, part in options.items()}
        return QuantConv2d(
            channels, channels * multiplier, 3, padding=1, groups=channels, bias=False, weight_quant=weight(), **made
        )

    return build


def _relu(source: IntQuantizer) -> nn.Module:
    return QuantReLU(act())


def _curved(function: nn.Module) -> nn.Module:
    return QuantActivation(function, act(6, signed=True), input_quant=act(5, signed=True))


def _slopes() -> nn.Module:
    function = QuantPReLU(act(6, signed=True), 4)
    function.weight.data = torch.tensor([0.3, 0.05, 0.9, -0.2])
    return function


class Curved(nn.Module):
    """A table where floats enter."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.fc = _curved(nn.Hardswish()), QuantLinear(6, 3, weight_quant=weight())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(self.first(x))
        return y


class Gated(nn.Module):
    """Squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.front, _ = front()
        self.conv, self.relu = QuantConv2d(2, 4, 3, padding=1, weight_quant=weight()), QuantReLU(act())
        self.mean, self.squeeze = QuantMean((2, 3), keepdim=True), QuantConv2d(4, 4, 1, weight_quant=weight())
        self.gate = QuantActivation(nn.Hardsigmoid(), const_input(bits=4))
        self.mul, self.out = QuantMul(), QuantConv2d(4, 3, 1, weight_quant=weight())

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(self.front(x)))
        y: Tensor = self.out(self.mul(x, self.gate(self.squeeze(self.mean(x)))))
        return y


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
    "average 1d": (
        sequence(
            always(lambda: QuantConv1d(2, 4, 3, weight_quant=weight())),
            _relu,
            always(lambda: QuantAvgPool1d(3, 2, truncate=False)),
            always(lambda: QuantConv1d(4, 2, 2, weight_quant=weight())),
        ),
        (2, 11),
    ),
    "transposed 1d": (
        sequence(always(lambda: QuantConvTranspose1d(2, 4, 4, 2, 1, weight_quant=weight(channel_dim=1))), _relu),
        (2, 7),
    ),
    "3d": (sequence(always(lambda: QuantConv3d(2, 3, 3, 2, 1, weight_quant=weight())), _relu), (2, 5, 4, 6)),
    "mean": (sequence(_conv(2, 4, 3), _relu, always(QuantMean), linear(4, 3)), (2, 6, 5)),
    "mean of a batch norm": (
        sequence(_conv(2, 4, 3), always(lambda: _turned(4)), always(QuantMean), _relu, linear(4, 3)),
        (2, 6, 5),
    ),
    "mean to a size": (
        sequence(_conv(2, 4, 1), _relu, always(lambda: QuantAdaptiveAvgPool((2, 3))), _conv(4, 2, 1)),
        (2, 6, 6),
    ),
    "mean of a sequence": (
        sequence(linear(5, 4), _relu, always(lambda: QuantMean(1)), linear(4, 3)),
        (6, 5),
    ),
    "gate": (Gated, (2, 5, 4)),
    "gelu": (sequence(linear(6, 5), always(lambda: _curved(nn.GELU())), linear(5, 3)), (6,)),
    "gelu of integers": (
        sequence(always(lambda: QuantActivation(nn.SiLU(), act(signed=True))), linear(6, 3), signed=True),
        (6,),
    ),
    "hardswish at the input": (Curved, (6,)),
    "leaky": (
        sequence(linear(6, 5), always(lambda: QuantActivation(nn.LeakyReLU(0.3), act(6, signed=True))), linear(5, 3)),
        (6,),
    ),
    "slopes": (
        sequence(_conv(2, 4, 3), always(lambda: _slopes()), _conv(4, 2, 1)),
        (2, 5, 5),
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
    "a mean of a batch norm": (
        sequence(_conv(2, 4, 1), always(lambda: _turned(4)), always(lambda: QuantAvgPool2d(2, truncate=False)), _relu),
        (2, 6, 6),
    ),
    "a batch norm, flattened": (
        sequence(_conv(2, 4, 2), always(lambda: _turned(4)), always(nn.ReLU), always(nn.Flatten), _relu, linear(36, 3)),
        (2, 4, 4),
    ),
    "steps per channel, depthwise": (
        sequence(_conv(2, 4, 1), always(lambda: QuantReLU(_steps(4))), _depthwise(4), _depthwise(4, 2)),
        (2, 6, 6),
    ),
    "steps per channel, input quantizer": (
        sequence(_conv(2, 4, 1), _depthwise(4, 1, input_quant=lambda: _steps(4))),
        (2, 6, 6),
    ),
    "steps per channel, pooled, scaled, flattened": (
        sequence(
            _conv(2, 4, 1),
            always(lambda: QuantReLU(_steps(4))),
            always(lambda: nn.MaxPool2d(2)),
            always(lambda: QuantAvgPool2d(3, truncate=False)),
            always(lambda: QuantScaleBias(4, weight_quant=weight())),
            always(nn.Flatten),
            _relu,
        ),
        (2, 6, 6),
    ),
    "steps per channel, transposed": (
        sequence(
            _conv(2, 4, 1),
            always(lambda: QuantReLU(_steps(4))),
            always(
                lambda: QuantConvTranspose2d(
                    4, 4, 3, 2, 1, 1, groups=4, bias=False, weight_quant=weight(per_channel=False)
                )
            ),
        ),
        (2, 3, 3),
    ),
    "widths per channel": (
        sequence(_conv(2, 4, 1), always(lambda: QuantReLU(_unequal())), _conv(4, 3, 2, padding=1)),
        (2, 5, 5),
    ),
    "widths per channel, input quantizer": (
        sequence(_conv(2, 4, 1), always(lambda: _input_quantized(_unequal()))),
        (2, 5, 5),
    ),
    "ceil mode": (
        sequence(_conv(2, 4, 2), always(lambda: _turned(4)), always(lambda: nn.MaxPool2d(2, ceil_mode=True)), _relu),
        (2, 6, 5),
    ),
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
    without = {key: lowering for key, lowering in LOWERINGS.items() if key not in (QuantIdentity, QuantReLU)}
    with pytest.raises(UnknownOperation, match="2: QuantReLU does not run on integers"):
        IntegerNetwork.of(hwcost.trace(plain_behind_conv(), x, input_bits=4), input_step=1, lowerings=without)
    with pytest.raises(UnknownOperation, match=r"(?s)2: QuantReLU does not .*3: QuantReLU does not"):
        twice = nn.Sequential(*plain_behind_conv(), QuantReLU(act()))
        IntegerNetwork.of(hwcost.trace(twice, x, input_bits=4), input_step=1, lowerings=without)


def test_floats_may_pass_layers_in_front_of_the_first_quantizer() -> None:
    net = nn.Sequential(
        nn.BatchNorm2d(2), nn.Flatten(), nn.Dropout(), QuantIdentity(act()), QuantLinear(18, 3, weight_quant=weight())
    )
    x = torch.rand(20, 2, 3, 3, dtype=torch.float64)
    net = net.double()
    net.train()(x)
    net.eval()
    integer = IntegerNetwork.of(hwcost.trace(net, x))
    assert torch.allclose(integer.values(x), net(x).detach(), rtol=0, atol=1e-12)
    assert list(integer.run(x)) == ["3", "4"]
    ends = hwcost.trace(nn.Sequential(nn.Flatten()), x, input_bits=4)
    with pytest.raises(BadOption, match="give a network with one output"):
        IntegerNetwork.of(hwcost.trace(nn.Sequential(nn.Flatten()), x)).values(x)
    assert IntegerNetwork.of(ends, input_step=0.25).values(torch.ones(1, 2, 3, 3, dtype=torch.int64)).unique() == 0.25


def test_a_label_is_the_first_of_the_largest() -> None:
    class Label(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = QuantLinear(6, 5, bias=False, weight_quant=weight(per_channel=False))

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x).argmax(1)

    net, x = Label().double(), torch.randint(0, 16, (200, 6)).double() / 16
    integer = IntegerNetwork.of(hwcost.trace(net, x[:1], input_bits=4), input_step=1 / 16)
    assert torch.equal(integer.run(integer.codes(x))["argmax"], net(x))


def test_a_subclass_with_a_function_of_its_own_needs_a_lowering() -> None:
    class Square(QuantReLU):
        def function(self, x: Tensor) -> Tensor:
            return x * x

    net = nn.Sequential(QuantLinear(6, 5, weight_quant=weight()), Square(act()))
    pipeline = hwcost.trace(net, torch.rand(1, 6), input_bits=4)
    with pytest.raises(UnknownOperation, match=r"1: Square replaces function of QuantReLU.* lowerings=LOWERINGS"):
        IntegerNetwork.of(pipeline, input_step=1 / 16)


def plain_behind_conv() -> nn.Module:
    return nn.Sequential(QuantLinear(6, 5, bias=False, weight_quant=weight()), nn.Identity(), QuantReLU(act()))


def test_a_description_that_promises_too_little_is_found_out() -> None:
    class Liar(QuantLinear):
        def products(self, signal: Any) -> Any:
            return between(-1, 1)

    net = nn.Sequential(Liar(6, 5, bias=False, weight_quant=weight()))
    pipeline = hwcost.trace(net, torch.rand(1, 6), input_bits=4)
    integer = IntegerNetwork.of(pipeline, input_step=1 / 16, lowerings={**LOWERINGS, Liar: LOWERINGS[QuantLinear]})
    with pytest.raises(BrokenRange, match=r"0: an integer of .* leaves the described range"):
        integer.run(torch.full((1, 6), 15))


@pytest.mark.parametrize("scale", [0.5, -0.5])
def test_a_hadamard_classifier_orders_its_classes_as_in_float(scale: float) -> None:
    """Its scores are those of the integers but for the length of each sample; a negative scale turns the order."""
    torch.manual_seed(0)
    head = HadamardClassifier(16, 10)
    nn.init.constant_(head.scale, scale)
    relu = QuantReLU(act())
    net = nn.Sequential(relu, head).eval()
    pipeline = hwcost.trace(net, torch.rand(1, 16), input_bits=4)
    integer = IntegerNetwork.of(pipeline, input_step=1 / 16)
    x = torch.randint(0, 16, (32, 16)) / 16
    whole = integer.run(integer.codes(x))["1"]
    unit = abs(scale) * relu.quant.step().detach() / relu(x).norm(dim=1, keepdim=True)
    assert torch.allclose((whole * unit).float(), net(x), atol=1e-6)
    with pytest.raises(BadOption, match="1 divides by a number of each sample"):
        integer.values(integer.codes(x))


@pytest.mark.parametrize("behind", [lambda: QuantReLU(act()), lambda: QuantLinear(10, 2, weight_quant=weight())])
def test_nothing_but_argmax_follows_a_hadamard_classifier(behind: Callable[[], nn.Module]) -> None:
    net = nn.Sequential(QuantReLU(act()), HadamardClassifier(16, 10), behind())
    with pytest.raises(UnknownPrecision, match=r"the length of each sample.*only argmax can follow"):
        hwcost.trace(net, torch.rand(1, 16), input_bits=4)

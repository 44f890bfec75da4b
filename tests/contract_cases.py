"""Every quantizer and every layer in every configuration worth a contract; `test_contracts.py` holds them to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.graph.ranges import Range, between, binary, integers
from hwcost.quant import (
    LOG,
    POW2,
    Accumulator,
    BiasQuantizer,
    BinaryQuantizer,
    BoundedQuantizer,
    ConstBits,
    ConstScale,
    Exp,
    GridQuantizer,
    HadamardClassifier,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    LearnedSigma,
    NarrowedBits,
    QuantActivation,
    QuantAdaptiveAvgPool,
    QuantAdd,
    QuantAffine,
    QuantAvgPool1d,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantConv3d,
    QuantConvTranspose1d,
    QuantConvTranspose2d,
    QuantEmbedding,
    QuantHardTanh,
    QuantIdentity,
    QuantLinear,
    QuantMean,
    QuantMul,
    QuantPosition,
    QuantPrefix,
    QuantPReLU,
    QuantReLU,
    QuantScaleBias,
    QuantSigmoid,
    QuantTanh,
    Restrict,
    RunningScale,
    ShiftAdd,
    StatScale,
    TernaryQuantizer,
    ThresholdQuantizer,
    abs_max,
    abs_mean,
    binary_weight,
    const_activation,
    const_input,
    const_weight,
    int8_input,
    learned_activation,
    learned_weight,
    mean_of_channel_max,
    mean_sigma,
    percentile,
    ternary_weight,
)

ROWS, COLS = 4, 6
"""Shape of the tensor that every quantizer is given."""


class OnBias(nn.Module):
    """A BiasQuantizer at a constant step, called as the other quantizers are."""

    signed = True

    def __init__(self, quantizer: BiasQuantizer) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.wire = integers(9, signed=True)

    def step(self, x: Tensor | None = None) -> Tensor:
        return torch.tensor(0.03, dtype=torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        return self.quantizer(x, self.step(), self.wire)

    def range(self) -> Range:
        return self.quantizer.range(self.wire)


def _int(bits: Any, scale: Any, **options: Any) -> Callable[[], nn.Module]:
    """A quantizer whose parts are built anew each time: bits and scale may be given as functions."""
    built = {"bits": bits, "scale": scale}
    return lambda: IntQuantizer(**{key: part() if callable(part) else part for key, part in built.items()}, **options)


def _bounded(bits: Any = 4, channel: int | None = 0, **options: Any) -> Callable[[], nn.Module]:
    defaults = {"acc_bits": 9, "input_bits": 4}
    return lambda: BoundedQuantizer(
        bits=LearnedBits(bits), scale=StatScale(abs_max, channel_dim=channel), **defaults | options
    )


def _learned(start: float = 5, **options: Any) -> Callable[[], LearnedBits]:
    return lambda: LearnedBits(start, **options)


def _started() -> nn.Module:
    quantizer = IntQuantizer(bits=5, scale=LearnedScale.from_stat(abs_max, channel_dim=0), narrow=True)
    quantizer.start(torch.linspace(-1.5, 1.2, ROWS * COLS).reshape(ROWS, COLS))
    return quantizer


def _affine() -> nn.Module:
    scale = StatScale(abs_max, channel_dim=0, affine=True, channels=ROWS)
    assert scale.gain is not None
    scale.gain.data.fill_(1.1)  # at 1 the largest weight stands exactly on the bound, where nothing has a gradient
    return IntQuantizer(bits=4, scale=scale, narrow=True)


def _joint() -> nn.Module:
    torch.manual_seed(0)
    first, second = nn.Linear(COLS, ROWS), nn.Linear(3, ROWS)
    return IntQuantizer(bits=4, scale=StatScale(abs_max, channel_dim=0, over=(first, second)))


def _stat(stat: Any, **options: Any) -> Callable[[], StatScale]:
    return lambda: StatScale(stat, **options)


QUANTIZERS: dict[str, Callable[[], nn.Module]] = {
    "int": _int(4, lambda: ConstScale(1.3)),
    "int narrow": _int(4, lambda: ConstScale(1.3), narrow=True),
    "int unsigned": _int(4, lambda: ConstScale(1.3), signed=False),
    "int 1 bit unsigned": _int(1, lambda: ConstScale(1.3), signed=False),
    "int 2 bits": _int(2, lambda: ConstScale(1.3)),
    "int pow2": _int(4, lambda: ConstScale(1.3, domain=POW2)),
    "int pow2 narrow": _int(4, lambda: ConstScale(1.3, domain=POW2), narrow=True),
    "int scale per channel": _int(4, lambda: ConstScale(torch.tensor([[0.5], [1.0], [1.5], [3.0]]))),
    "grid": lambda: GridQuantizer(step=0.2, low=-5, high=9),
    "grid of file": lambda: GridQuantizer(
        step=torch.full((ROWS, 1), 0.2), low=0, high=6, rounding="CEIL", zero_point=1
    ),
    "thresholds": lambda: ThresholdQuantizer(torch.linspace(-1, 1, 7)[None], step=0.3, low=-4),
    "thresholds per channel": lambda: ThresholdQuantizer(torch.linspace(-2, 2, 3 * COLS).reshape(COLS, 3), step=0.3),
    "threshold bipolar": lambda: ThresholdQuantizer(torch.zeros(1, 1), step=0.3, low=-1, bipolar=True),
    "learned": _int(_learned(), lambda: LearnedScale(1.3)),
    "learned unsigned": _int(_learned(), lambda: LearnedScale(1.3), signed=False),
    "learned narrow": _int(_learned(), lambda: LearnedScale(1.3), narrow=True),
    "learned float scale": _int(_learned(), lambda: LearnedScale(1.3, domain=LOG), signed=False),
    "learned pow2 scale": _int(_learned(), lambda: LearnedScale(1.3, domain=POW2), signed=False),
    "learned pow2 scale narrow": _int(_learned(), lambda: LearnedScale(1.3, domain=POW2), narrow=True),
    "learned scale per channel": _int(_learned(), lambda: LearnedScale(torch.full((ROWS, 1), 1.1))),
    "learned scale from statistic": _started,
    "learned float width": _int(_learned(4.3, restrict=Restrict.FLOAT), lambda: LearnedScale(1.3)),
    "learned pow2 width": _int(_learned(4, restrict=Restrict.POW2), lambda: LearnedScale(1.3)),
    "learned width from 1 bit": _int(_learned(3, base=1), lambda: LearnedScale(1.3), signed=False),
    "learned width per channel": _int(_learned(shape=(ROWS, 1)), _stat(abs_max, channel_dim=0), narrow=True),
    "learned width per weight": _int(_learned(shape=(ROWS, COLS)), _stat(abs_max, domain=POW2), narrow=True),
    "largest": _int(_learned(), _stat(abs_max), narrow=True),
    "largest full range": _int(_learned(), _stat(abs_max)),
    "largest of channel": _int(_learned(), _stat(abs_max, channel_dim=0), narrow=True),
    "largest of channel 1": _int(_learned(), _stat(abs_max, channel_dim=1), narrow=True),
    "largest pow2": _int(_learned(), _stat(abs_max, channel_dim=0, domain=POW2), narrow=True),
    "mean": _int(_learned(), _stat(abs_mean, channel_dim=0), narrow=True),
    "mean of channel max": _int(4, _stat(mean_of_channel_max), narrow=True),
    "mean and sigma": _int(4, _stat(mean_sigma(2.0), channel_dim=0), narrow=True),
    "mean and learned sigma": _int(4, lambda: StatScale(LearnedSigma(2.0, shape=(ROWS, 1)), channel_dim=0)),
    "percentile": _int(4, _stat(percentile(80), channel_dim=0), narrow=True),
    "affine": _affine,
    "over two layers": _joint,
    "running": _int(_learned(), lambda: RunningScale(abs_max, init=1.3), signed=False),
    "running per channel": _int(4, lambda: RunningScale(abs_max, init=1.3, channel_dim=1, channels=COLS)),
    "running mean": _int(4, lambda: RunningScale(mean_sigma(2.0), init=1.3, momentum=None)),
    "binary": lambda: BinaryQuantizer(scale=LearnedScale(0.7)),
    "binary clipped": lambda: BinaryQuantizer(scale=LearnedScale(0.7), clipped=True),
    "binary mean": lambda: BinaryQuantizer(scale=StatScale(abs_mean, channel_dim=0)),
    "ternary": lambda: TernaryQuantizer(scale=LearnedScale(0.7)),
    "ternary mean": lambda: TernaryQuantizer(scale=StatScale(abs_mean, channel_dim=0), threshold=0.7),
    "bounded, far from its limit": _bounded(acc_bits=20),
    "bounded": _bounded(),
    "bounded by a common factor": _bounded(method="scale"),
    "bounded signed input": _bounded(input_signed=True),
    "bounded centered": _bounded(centered=True),
    "bounded, one scale": _bounded(channel=None),
    "bias": lambda: OnBias(BiasQuantizer(bits=5)),
    "bias of learned width": lambda: OnBias(BiasQuantizer(bits=LearnedBits(5))),
    "bias as wide as the sum": lambda: OnBias(BiasQuantizer()),
    "preset learned_weight": learned_weight,
    "preset const_weight": const_weight,
    "preset binary_weight": binary_weight,
    "preset ternary_weight": ternary_weight,
    "preset learned_activation": learned_activation,
    "preset const_activation": const_activation,
    "preset const_input": const_input,
    "preset int8_input": int8_input,
}


@dataclass(frozen=True)
class LayerCase:
    """A layer, and what enters it.

    Attributes:
        build: a new one.
        shape: of one sample.
        streams: number of inputs.
        wire: integers that enter.
        loose: why its described range may be wider than what it reaches; None where it is exact.
        plain: it takes and gives no QuantTensor.
    """

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    streams: int = 1
    wire: Range = integers(4, signed=False)  # noqa: RUF009 - immutable, and shared on purpose
    loose: str | None = None
    plain: bool = False


def _weight(**options: Any) -> IntQuantizer:
    return learned_weight(bits=4, **options)


def _act(signed: bool = False) -> IntQuantizer:
    return learned_activation(bits=4, max_val=2.0, signed=signed)


def _linear(quantizer: Callable[[], Any], **options: Any) -> Callable[[], nn.Module]:
    """7 to 5 features; options that are functions are built anew each time."""
    bias = options.pop("bias", False)
    return lambda: QuantLinear(
        7,
        5,
        bias,
        weight_quant=quantizer(),
        **{name: part() if callable(part) else part for name, part in options.items()},
    )


def _accumulator(mode: str, bits: Any = 6, **options: Any) -> Callable[[], Accumulator]:
    return lambda: Accumulator(bits=bits() if callable(bits) else bits, mode=mode, **options)


def _conv(*shape: Any, **options: Any) -> Callable[[], nn.Module]:
    bias = options.pop("biased", False)
    biased = {"bias": bias, "bias_quant": BiasQuantizer(bits=6) if bias else None}
    return lambda: QuantConv2d(*shape, weight_quant=_weight(), **biased, **options)


def _transposed(*shape: Any, **options: Any) -> Callable[[], nn.Module]:
    return lambda: QuantConvTranspose2d(*shape, bias=False, weight_quant=_weight(per_channel=False), **options)


def _ends(*shape: int) -> nn.Parameter:
    """A constant far beyond either bound, in turn."""
    sign = 1.0 - 2 * ((torch.arange(shape[-2])[:, None] + torch.arange(shape[-1])) % 2)
    return nn.Parameter(1e4 * sign.expand(shape).clone())


SIGNED = integers(4, signed=True)
BOUND = "the weights stay within their bound, and rounding towards zero within that"
MODULAR = "a wrapped sum can be any code"
CURVED = "the function does not reach every code"
OFFSET = "the bias is as wide as the sum, at full scale"

LAYERS: dict[str, LayerCase] = {
    "linear": LayerCase(_linear(_weight), (7,)),
    "sequence": LayerCase(_linear(_weight), (3, 7)),
    "linear signed": LayerCase(_linear(_weight), (7,), wire=SIGNED),
    "linear bipolar": LayerCase(_linear(_weight), (7,), wire=binary()),
    "linear one scale": LayerCase(_linear(lambda: _weight(per_channel=False)), (7,)),
    "linear binary": LayerCase(_linear(binary_weight), (7,), wire=binary()),
    "linear ternary": LayerCase(_linear(ternary_weight), (7,)),
    "linear width per row": LayerCase(_linear(_int(_learned(4, shape=(5, 1)), _stat(abs_max, channel_dim=0))), (7,)),
    "linear width per weight": LayerCase(
        _linear(_int(_learned(4, shape=(5, 7)), lambda: LearnedScale(1.0, domain=POW2))), (7,)
    ),
    "linear input quantizer": LayerCase(_linear(_weight, input_quant=_act), (7,)),
    "linear bias": LayerCase(_linear(_weight, bias=True, bias_quant=lambda: BiasQuantizer(bits=6)), (7,)),
    "linear learned bias": LayerCase(
        _linear(_weight, bias=True, bias_quant=lambda: BiasQuantizer(bits=LearnedBits(6))), (7,)
    ),
    "linear wide bias": LayerCase(_linear(_weight, bias=True, bias_quant=BiasQuantizer), (7,)),
    "linear saturating": LayerCase(_linear(_weight, accumulator=_accumulator("saturate")), (7,)),
    "linear saturating narrow": LayerCase(_linear(_weight, accumulator=_accumulator("saturate", narrow=True)), (7,)),
    "linear saturating unsigned": LayerCase(_linear(_weight, accumulator=_accumulator("saturate", signed=False)), (7,)),
    "linear saturating learned": LayerCase(_linear(_weight, accumulator=_accumulator("saturate", _learned(6))), (7,)),
    "linear saturating narrowed": LayerCase(
        _linear(_weight, accumulator=_accumulator("saturate", lambda: NarrowedBits(3))), (7,)
    ),
    "linear wrapping": LayerCase(_linear(_weight, accumulator=_accumulator("wrap")), (7,), loose=MODULAR),
    "linear truncating": LayerCase(_linear(_weight, accumulator=_accumulator("truncate")), (7,)),
    "linear truncating learned": LayerCase(_linear(_weight, accumulator=_accumulator("truncate", _learned(6))), (7,)),
    "linear bounded": LayerCase(_linear(_bounded()), (7,), loose=BOUND),
    "linear bounded centered": LayerCase(_linear(_bounded(centered=True)), (7,), loose=BOUND),
    "linear bounded signed": LayerCase(_linear(_bounded(input_signed=True)), (7,), wire=SIGNED, loose=BOUND),
    "conv1d": LayerCase(lambda: QuantConv1d(3, 4, 3, padding=1, bias=False, weight_quant=_weight()), (3, 9)),
    "conv": LayerCase(_conv(3, 4, 3, padding=1), (3, 6, 7)),
    "conv bias": LayerCase(_conv(3, 4, 3, padding=1, biased=True), (3, 6, 7)),
    "conv same": LayerCase(_conv(3, 4, 3, stride=2, padding="same"), (3, 6, 7)),
    "conv dilated": LayerCase(_conv(3, 4, 3, dilation=2, padding=2), (3, 7, 7), wire=SIGNED),
    "conv grouped": LayerCase(_conv(4, 6, 3, groups=2), (4, 6, 6)),
    "conv depthwise": LayerCase(_conv(4, 4, 3, padding=1, groups=4), (4, 6, 6)),
    "conv3d": LayerCase(lambda: QuantConv3d(2, 3, 3, padding=1, bias=False, weight_quant=_weight()), (2, 4, 4, 5)),
    "conv pointwise": LayerCase(_conv(4, 6, 1), (4, 5, 5)),
    "transposed": LayerCase(
        lambda: QuantConvTranspose2d(3, 4, 3, 2, 1, 1, bias=False, weight_quant=_weight(channel_dim=1)), (3, 5, 5)
    ),
    "transposed 1d": LayerCase(
        lambda: QuantConvTranspose1d(3, 4, 4, 2, 1, bias=False, weight_quant=_weight(channel_dim=1)), (3, 7)
    ),
    "transposed grouped": LayerCase(_transposed(4, 6, 4, 2, groups=2), (4, 5, 5)),
    "transposed dilated": LayerCase(_transposed(3, 2, 3, 2, dilation=2), (3, 5, 5)),
    "relu": LayerCase(lambda: QuantReLU(_act()), (4, 5, 5)),
    "identity": LayerCase(lambda: QuantIdentity(_act(signed=True)), (4, 5, 5)),
    "identity binary": LayerCase(
        lambda: QuantIdentity(BinaryQuantizer(scale=LearnedScale(1.0), clipped=True)), (4, 5, 5)
    ),
    "hard tanh": LayerCase(lambda: QuantHardTanh(_act(signed=True)), (4, 5, 5)),
    "sigmoid": LayerCase(lambda: QuantSigmoid(const_input(bits=5)), (4, 5, 5)),
    "affine": LayerCase(lambda: QuantAffine(const_input(bits=5, signed=True), gain=0.5, offset=-0.25), (4, 5, 5)),
    "tanh": LayerCase(lambda: QuantTanh(const_input(bits=5, signed=True)), (4, 5, 5)),
    "average": LayerCase(lambda: QuantAvgPool2d(2), (4, 6, 6)),
    "average corrected": LayerCase(lambda: QuantAvgPool2d(3, 1, corrected=True), (4, 6, 6), wire=SIGNED),
    "average whole": LayerCase(lambda: QuantAvgPool2d(3, truncate=False), (4, 6, 6)),
    "average 7x7": LayerCase(lambda: QuantAvgPool2d(7, most=4), (4, 7, 7)),
    "add": LayerCase(lambda: QuantAdd(_act(signed=True)), (4, 5, 5), streams=2),
    "shift add": LayerCase(lambda: ShiftAdd((0, 0)), (4, 5, 5), streams=2),
    "concat": LayerCase(lambda: QuantConcat(_act(signed=True)), (4, 5, 5), streams=3),
    "average 1d": LayerCase(lambda: QuantAvgPool1d(3, 2), (4, 9), wire=SIGNED),
    "average of a strip": LayerCase(lambda: QuantAvgPool2d((1, 3), truncate=False), (4, 4, 6)),
    "mean": LayerCase(lambda: QuantMean((2, 3)), (4, 5, 3), wire=SIGNED),
    "mean, dimensions kept": LayerCase(lambda: QuantMean((-2, -1), keepdim=True), (4, 5, 3)),
    "mean to a size": LayerCase(lambda: QuantAdaptiveAvgPool((2, 1)), (4, 6, 3)),
    "product": LayerCase(QuantMul, (4, 5, 5), streams=2, wire=SIGNED),
    "product, quantized": LayerCase(lambda: QuantMul(_act(signed=True), _act()), (4, 5, 5), streams=2),
    "gelu": LayerCase(lambda: QuantActivation(nn.GELU(), _act(signed=True)), (4, 5, 5), wire=SIGNED, loose=CURVED),
    "gelu, input quantizer": LayerCase(
        lambda: QuantActivation(nn.GELU(), _act(signed=True), input_quant=_act(signed=True)), (4, 5), loose=CURVED
    ),
    "hardswish": LayerCase(lambda: QuantActivation(nn.Hardswish(), _act(signed=True)), (4, 5), loose=CURVED),
    "leaky relu": LayerCase(lambda: QuantActivation(nn.LeakyReLU(0.5), _act(signed=True)), (4, 5)),
    "prelu": LayerCase(lambda: QuantPReLU(_act(signed=True), 4), (4, 5)),
    "exponential": LayerCase(lambda: QuantActivation(Exp(), _act()), (4, 5), wire=SIGNED, loose=CURVED),
    "scale and bias": LayerCase(
        lambda: QuantScaleBias(4, weight_quant=_weight(per_channel=False), bias_quant=BiasQuantizer(bits=6)), (4, 5, 5)
    ),
    "scale": LayerCase(lambda: QuantScaleBias(4, bias=False, weight_quant=_weight()), (4, 5, 5), wire=SIGNED),
    "embedding": LayerCase(
        lambda: QuantEmbedding(9, 5, weight_quant=_weight(per_channel=False)), (6,), wire=between(0, 8), plain=True
    ),
    "positions": LayerCase(lambda: QuantPosition(_ends(1, 6, 4), _act(signed=True)), (6, 4), plain=True),
    "positions of pictures": LayerCase(
        lambda: QuantPosition(_ends(9, 4, 5), _act(signed=True), index=slice(2, 6)), (4, 4, 5), wire=SIGNED, plain=True
    ),
    "tokens in front": LayerCase(lambda: QuantPrefix(_ends(1, 2, 4), _act(signed=True)), (6, 4), plain=True),
    "hadamard": LayerCase(
        lambda: HadamardClassifier(7, 5), (7,), plain=True, loose="half of the weights are -1, half +1"
    ),
}

PARTS: dict[str, Callable[[], nn.Module]] = {
    "const bits": lambda: ConstBits(4),
    "learned bits": lambda: LearnedBits(4),
    "narrowed bits": lambda: NarrowedBits(3),
    "const scale": lambda: ConstScale(1.0),
    "learned scale": lambda: LearnedScale(1.0),
    "statistic": lambda: StatScale(abs_max),
    "running": lambda: RunningScale(abs_max, init=1.0),
    "sigma": LearnedSigma,
    "accumulator": lambda: Accumulator(bits=4, mode="saturate"),
}
"""What quantizers and layers are made of."""

"""Activations: the float function, and its quantized values."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Signal, Thresholds
from hwcost.quant import (
    FLOAT,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    QuantAffine,
    QuantHardTanh,
    QuantIdentity,
    QuantReLU,
    QuantSigmoid,
    QuantTanh,
    QuantTensor,
    const_input,
    learned_activation,
)

FUNCTIONS: dict[str, tuple[Any, Any, bool]] = {
    "relu": (QuantReLU, torch.relu, False),
    "hard tanh": (QuantHardTanh, torch.nn.functional.hardtanh, True),
    "sigmoid": (QuantSigmoid, torch.sigmoid, False),
    "tanh": (QuantTanh, torch.tanh, True),
    "identity": (QuantIdentity, lambda x: x, True),
    "affine": (lambda quant: QuantAffine(quant, gain=2.0, offset=-0.5), lambda x: 2 * x - 0.5, True),
}
EVERY = pytest.mark.parametrize("name", FUNCTIONS)


@EVERY
def test_without_a_quantizer_it_is_the_float_function_and_has_no_hardware(name: str) -> None:
    make, function, _ = FUNCTIONS[name]
    x = torch.randn(50) * 3
    layer = make(None)
    assert torch.equal(layer(x), function(x))
    with pytest.raises(UnknownPrecision, match="no bit-width"):
        layer.describe(Signal(range=integers(4, signed=True), shape=(3,)), shape=(3,))
    with pytest.raises(UnknownPrecision, match="no quantizer"):
        layer(QuantTensor(x, torch.ones(()), integers(4, signed=True)))


@EVERY
def test_values_are_the_nearest_codes_of_the_float_function(name: str) -> None:
    make, function, signed = FUNCTIONS[name]
    quantizer = const_input(bits=5, signed=signed)
    x = torch.randn(200) * 3
    low, high, step = -16 if signed else 0, 15 if signed else 31, 1 / (16 if signed else 31)
    grid = torch.arange(low, high + 1) * step
    nearest = grid[(function(x)[:, None] - grid).abs().argmin(1)]
    torch.testing.assert_close(make(quantizer)(x), nearest)


@EVERY
def test_a_quantizer_of_the_other_sign_is_refused(name: str) -> None:
    make, _, signed = FUNCTIONS[name]
    if name in ("identity", "affine"):
        make(const_input(signed=not signed))  # either will do
        return
    with pytest.raises(BadOption, match=f"signed={signed}"):
        make(const_input(signed=not signed))


def test_thresholds_stand_in_front_of_a_known_stream_and_none_at_a_float_input() -> None:
    layer = QuantReLU(learned_activation(bits=3))
    spec = layer.describe(Signal(range=integers(9, signed=True), shape=(4, 5, 6)), shape=(4, 5, 6))
    (block,) = spec.blocks
    assert isinstance(block, Thresholds) and (block.channels, block.vectors) == (4, 30)
    assert spec.output.grid is layer.quant and float(spec.output.range.high.detach()) == 7


@pytest.mark.parametrize("gain,offset", [(0.0, 1.0), (-1.0, 0.0), (float("nan"), 0.0), (1.0, float("inf"))])
def test_an_affine_map_rises(gain: float, offset: float) -> None:
    with pytest.raises(BadOption, match="above 0"):
        QuantAffine(None, gain=gain, offset=offset)


def test_widths_per_channel_need_steps_that_are_powers_of_two_apart() -> None:
    quantizer = IntQuantizer(bits=LearnedBits(4, shape=(3,)), scale=LearnedScale(1.0, domain=FLOAT))
    with pytest.raises(BadOption, match=r"QuantIdentity.*domain=POW2"):
        QuantIdentity(quantizer)


def test_plain_tensors_give_plain_tensors_and_integers_give_integers() -> None:
    layer = QuantIdentity(const_input(bits=4, signed=True))
    x = torch.randn(5)
    whole = layer(QuantTensor(x, torch.ones(()), integers(4, signed=True)))
    assert isinstance(whole, QuantTensor) and type(layer(x)) is Tensor
    assert torch.equal(whole.codes() * whole.scale, layer(x))

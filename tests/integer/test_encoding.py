"""Floats into codes and streams onto grids."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import hwcost
from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import integers, unknown
from hwcost.graph.spec import Signal
from hwcost.integer import IntegerNetwork
from hwcost.integer.encoding import Encode, Outside, Stream, grid, meaning_of
from hwcost.integer.meaning import Meaning
from hwcost.quant import IntQuantizer, LearnedScale, QuantLinear, StatScale, abs_max, const_input, const_weight


@pytest.mark.parametrize("steps", [255, 1, 3, 256, 1000])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [lambda x, n: x / n, lambda x, n: x * (1 / n)], ids=["divided", "multiplied"])
def test_pixels_on_any_grid_are_read_back(
    steps: int, kind: torch.dtype, scale: Callable[[Tensor, int], Tensor]
) -> None:
    integer = IntegerNetwork.of(_one_layer(), input_step=1 / steps)
    pixels = torch.arange(256).reshape(64, 4)
    assert torch.equal(integer.codes(scale(pixels.to(kind), steps)), pixels)


def test_the_worst_value_off_the_grid_is_named() -> None:
    integer = IntegerNetwork.of(_one_layer(), input_step=1 / 255)
    x = torch.tensor([[0.0, 1.0, 3.001 / 255, 7.4 / 255]])
    with pytest.raises(BadOption, match=rf"{float(x[0, 3])!r} \(torch.float32\) is no multiple of input_step=0.0039"):
        integer.codes(x)
    with pytest.raises(BadOption, match=r"2.0 .* from 0 to 255 steps"):
        integer.codes(torch.tensor([[0.0, 0.501, 2.0, 0.1]]))
    with pytest.raises(BadOption, match="nan"):
        integer.codes(torch.tensor([[0.0, 0.501, torch.nan, 0.1]]))
    with pytest.raises(BadOption, match="bfloat16"):  # eight bits of mantissa do not tell 200 / 255 from 201 / 255
        integer.codes((torch.full((1, 4), 201.0) / 255).bfloat16())


def _one_layer() -> hwcost.Pipeline:
    net = nn.Sequential(QuantLinear(4, 2, weight_quant=const_weight(bits=4)))
    return hwcost.trace(net, torch.zeros(1, 4), input_bits=8)


def floats(*shape: int) -> Stream:
    return Stream(signal=Signal(range=unknown(), shape=shape), meaning=None)


def counted(bits: int, step: float, *shape: int) -> Stream:
    signal = Signal(range=integers(bits, signed=True), shape=shape)
    meaning = Meaning(step=torch.tensor(step, dtype=torch.float64), offset=torch.zeros((), dtype=torch.float64))
    return Stream(signal=signal, meaning=meaning)


def test_floats_are_encoded_where_the_data_comes_from() -> None:
    quantizer = const_input(bits=3, max_val=1.75)
    operation, meaning = grid(floats(4), quantizer)
    assert isinstance(operation, Encode) and meaning is not None
    x = torch.tensor([[-1.0, 0.3, 0.9, 9.0]])
    codes = operation(x)
    assert codes.tolist() == [[0, 1, 4, 7]] and codes.dtype == torch.int64
    torch.testing.assert_close(meaning.value(codes).float(), quantizer(x))


@pytest.mark.parametrize("function", [None, torch.relu])
def test_integers_are_compared_with_thresholds(function: Callable[[Tensor], Tensor] | None) -> None:
    quantizer = IntQuantizer(bits=3, scale=LearnedScale(2.0), signed=True)
    operation, meaning = grid(counted(6, 0.11, 2), quantizer, function)
    assert meaning is not None
    codes = torch.arange(-32, 32).reshape(-1, 1).expand(-1, 2)
    x = codes.double() * 0.11
    wanted = quantizer.double().integers(x if function is None else function(x))
    assert torch.equal(operation(codes), wanted) and operation(codes).unique().numel() > 3


def test_what_no_hardware_can_hold_is_refused() -> None:
    with pytest.raises(UnknownPrecision, match="its scale is a statistic of the data"):
        grid(floats(4), IntQuantizer(bits=4, scale=StatScale(abs_max)))
    with pytest.raises(UnknownPrecision, match=r"shape \(4,\) for samples of \(3, 4\); give one in all or one per"):
        grid(floats(3, 4), IntQuantizer(bits=4, scale=LearnedScale(torch.ones(4))))
    with pytest.raises(UnknownPrecision, match="floats enter it; put a QuantIdentity in front"):
        meaning_of(floats(4))
    assert meaning_of(counted(4, 0.5, 1)).step == 0.5


def test_layers_in_front_of_the_first_quantizer_stay_floats() -> None:
    leaf = torch.ones(1, requires_grad=True)
    found = Outside(lambda x: x * leaf)(torch.tensor([2.0]))
    assert found.tolist() == [2.0] and not found.requires_grad

"""Products of two streams: gates, and what cannot be joined."""

from __future__ import annotations

import pytest
import torch

from hwcost.errors import HwcostError
from hwcost.graph.blocks import Multiplier, Repeat
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Signal
from hwcost.quant import QuantMul, const_input

WIRE = integers(4, signed=False)


def image(*shape: int, last: bool = False) -> Signal:
    return Signal(range=WIRE, shape=shape, channels_last=last)


def test_a_gate_is_read_again_for_every_pixel() -> None:
    spec = QuantMul().describe(image(3, 4, 5), image(3, 1, 1), shape=(3, 4, 5))
    again, product = spec.blocks
    assert isinstance(again, Repeat) and (again.factors, again.held) == ((4, 5), 1)
    assert isinstance(product, Multiplier) and (product.channels, product.vectors) == (3, 20)
    assert int(spec.output.range.high) == 225


def test_one_channel_is_multiplied_with_all() -> None:
    spec = QuantMul().describe(image(1, 4, 5), image(3, 4, 5), shape=(3, 4, 5))
    assert [type(block) for block in spec.blocks] == [Multiplier] and spec.output.channels == 3


def test_shapes_that_only_torch_can_join_are_refused() -> None:
    with pytest.raises(HwcostError, match="give both as many dimensions"):
        QuantMul().describe(image(3, 4), image(4), shape=(3, 4))
    with pytest.raises(HwcostError, match="give both as many dimensions"):
        QuantMul().describe(image(3, 4), image(3, 4, last=True), shape=(3, 4))


def test_quantizers_stand_in_front() -> None:
    layer = QuantMul(const_input(bits=4), const_input(bits=4))
    x = torch.rand(2, 3, 4)
    q = const_input(bits=4)
    assert torch.equal(layer(x, x), q(x) * q(x))

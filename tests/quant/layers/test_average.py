"""Means of all positions, and poolings to a size."""

from __future__ import annotations

import pytest
import torch

from hwcost.errors import BadOption, HwcostError
from hwcost.graph.blocks import ChannelSum
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Pool, Signal
from hwcost.quant import QuantAdaptiveAvgPool, QuantMean

WIRE = integers(4, signed=False)


def test_a_mean_is_a_sum_of_a_smaller_step() -> None:
    image, sequence = Signal(range=WIRE, shape=(3, 4, 5)), Signal(range=WIRE, shape=(7, 6), channels_last=True)
    spec = QuantMean((-1, -2)).describe(image, shape=(3,))
    (total,) = spec.blocks
    assert isinstance(total, ChannelSum) and (total.channels, total.vectors) == (3, 20)
    assert int(spec.output.range.high) == 15 * 20 and not spec.output.channels_last
    kept = QuantMean(1, keepdim=True).describe(sequence, shape=(1, 6)).output
    assert kept.channels_last and kept.channels == 6


@pytest.mark.parametrize(
    ("layer", "shape", "last", "message"),
    [
        (QuantMean(1), (3, 4, 5), False, "all but the batch and the channels"),
        (QuantMean(1), (3, 4), False, "average the others"),
        (QuantMean(2), (3, 4), True, "average the others"),
        (QuantAdaptiveAvgPool(3), (3, 7, 6), False, "windows of unequal size"),
    ],
)
def test_what_is_no_sum_of_a_channel_is_refused(
    layer: torch.nn.Module, shape: tuple[int, ...], last: bool, message: str
) -> None:
    signal = Signal(range=WIRE, shape=shape, channels_last=last)
    with pytest.raises(HwcostError, match=message):
        layer.describe(signal, shape=(3, 3, 3)[: len(shape)])  # type: ignore[operator] # a layer of ours


def test_arguments_that_make_no_sense() -> None:
    for build in (lambda: QuantMean(0), lambda: QuantAdaptiveAvgPool(0)):
        with pytest.raises(BadOption, match="give"):
            build()


def test_a_pooling_to_a_size_has_windows_that_do_not_overlap() -> None:
    spec = QuantAdaptiveAvgPool((2, 3)).describe(Signal(range=WIRE, shape=(3, 4, 6)), shape=(3, 2, 3))
    window, pool = spec.blocks
    assert isinstance(pool, Pool) and pool.kernel == (2, 2) and window.stride == (2, 2)  # type: ignore[attr-defined] # a window

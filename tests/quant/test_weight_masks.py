"""Zeros in the weights of a layer."""

import pytest
import torch

from hwcost.quant import (
    IntQuantizer,
    LearnedScale,
    Quantizer,
    QuantLinear,
    TernaryQuantizer,
    abs_max,
    abs_mean,
    binary_weight,
    const_weight,
    ternary_weight,
)
from hwcost.quant.weight_masks import one_scale, takes_zeros

PER_ROW = LearnedScale.from_stat(abs_max, channel_dim=0)


@pytest.mark.parametrize(
    ("quantizer", "columns", "rows", "joint"),
    [
        (None, True, True, False),
        (const_weight(bits=4), True, True, False),
        (const_weight(bits=4, per_channel=False), True, True, True),
        (IntQuantizer(bits=4, scale=PER_ROW), True, True, False),
        (binary_weight(), False, False, False),
        (ternary_weight(), False, True, False),
        (ternary_weight(per_channel=False), False, False, True),
        (TernaryQuantizer(scale=LearnedScale.from_stat(abs_mean)), True, True, False),
    ],
)
def test_what_zeros_do(quantizer: Quantizer | None, columns: bool, rows: bool, joint: bool) -> None:
    torch.manual_seed(0)
    layer = QuantLinear(6, 4, weight_quant=quantizer)
    before = layer.weight.clone()
    assert (takes_zeros(layer, 1), takes_zeros(layer, 0), one_scale(layer, 0)) == (columns, rows, joint)
    assert torch.equal(layer.weight, before)

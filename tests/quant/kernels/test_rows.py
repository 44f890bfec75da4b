"""Weights under thresholds of their own rows: which row a width belongs to, and what counts as its largest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hwcost.errors import DivergedTraining
from hwcost.quant import POW2, IntQuantizer, LearnedBits, StatScale, abs_max
from hwcost.quant.kernels import Kind, fake_quant
from hwcost.quant.kernels.rows import Rows, row_quant


def test_widths_per_column_of_a_square_weight_are_not_taken_for_widths_per_row() -> None:
    bits = LearnedBits(4, shape=(4,))
    bits.offset.data = torch.tensor([0.0, 2.0, 4.0, 6.0])
    quantizer = IntQuantizer(bits=bits, scale=StatScale(abs_max, channel_dim=0, domain=POW2))
    w = torch.randn(4, 4)
    assert torch.equal(quantizer(w), quantizer(w.double()).float())


@pytest.mark.parametrize("per_row", [True, False])
@pytest.mark.parametrize("kind", [Kind(True, True, False), Kind(True, False, False), Kind(True, True, True)])
def test_values_are_those_of_the_largest_magnitudes(kind: Kind, per_row: bool) -> None:
    torch.manual_seed(0)
    x, offset = torch.randn(4, 3, 2), torch.tensor(2.0)
    found = row_quant(x, offset, Rows(per_row, 2.0**-16, 2, 16, kind))
    largest = x.abs().amax((1, 2), keepdim=True) if per_row else x.abs().amax()
    threshold = torch.exp2(largest.log2().ceil()) if kind.power else largest
    wanted = fake_quant(x, threshold, torch.tensor(4.0), signed=True, narrow=kind.narrow, power=kind.power)
    assert torch.equal(found, wanted)


def test_a_row_of_zeros_keeps_the_least_threshold() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, -0.5]], requires_grad=True)
    y = row_quant(x, torch.tensor(2.0), Rows(True, 0.25, 2, 16, Kind(True, True, False)))
    assert y[0].tolist() == [0, 0]
    y.sum().backward()
    assert x.grad is not None and x.grad[0].tolist() == [1, 1]  # the threshold does not move


def test_a_width_of_one_bit_prunes_its_row_alone() -> None:
    offset = torch.tensor([[0.0], [1.0], [3.0]])
    x = torch.tensor([[1.0, -0.4]] * 3)
    y = row_quant(x, offset, Rows(True, 0.01, 0, 16, Kind(True, True, False)))
    assert y[:2].tolist() == [[0, 0], [0, 0]]
    np.testing.assert_allclose(y[2], [1, -1 / 3], rtol=1e-6)
    offset[1] = float("nan")
    with pytest.raises(DivergedTraining):
        row_quant(x, offset, Rows(True, 0.01, 0, 16, Kind(True, True, False)))

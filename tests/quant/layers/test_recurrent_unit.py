"""A recurrent unit adds sums over inputs and over the state on one grid."""

from __future__ import annotations

import pytest
import torch
from sequence_networks import WEIGHT

from hwcost.errors import BadOption
from hwcost.quant import POW2, ConstScale, IntQuantizer
from hwcost.quant.layers.gru import GRUUnit


@pytest.mark.parametrize(("most", "shifts"), [(1.0, (0, 0)), (4.0, (2, 0)), (0.25, (0, 2))])
def test_the_coarser_sum_is_shifted(most: float, shifts: tuple[int, int]) -> None:
    source = IntQuantizer(bits=8, scale=ConstScale(most, domain=POW2))
    unit = GRUUnit(3, 4, weight_quant=WEIGHT(), source=source, state_bits=8)
    assert unit.shifts() == shifts
    first, second, total = unit.sums()
    reach = [float(first.high.detach()) * 2 ** shifts[0], float(second.high.detach()) * 2 ** shifts[1]]
    assert float(total.high.detach()) == sum(reach)


def test_the_step_of_a_row_is_that_of_its_weights() -> None:
    source = IntQuantizer(bits=8, scale=ConstScale(4.0, domain=POW2))
    unit = GRUUnit(3, 4, weight_quant=WEIGHT(), source=source)
    x, h = torch.randint(-128, 128, (1, 3)).double(), torch.randint(-128, 128, (1, 4)).double()
    whole, weight = unit.whole().double(), unit.weight_quant(unit.matrix()).detach().double()
    real = torch.cat([x / 32, h / 128], 1) @ weight.T
    left, right = unit.shifts()
    sums = (x @ whole[:, :3].T) * 2**left + (h @ whole[:, 3:].T) * 2**right
    assert torch.allclose(sums * unit.row_steps(), real, rtol=1e-5)


def test_widths_out_of_range_are_refused() -> None:
    source = IntQuantizer(bits=8, scale=ConstScale(4.0, domain=POW2))
    with pytest.raises(BadOption, match="gate bits"):
        GRUUnit(3, 4, weight_quant=WEIGHT(), source=source, gate_bits=1)
    with pytest.raises(BadOption, match="weight_quant=None"):
        GRUUnit(3, 4, weight_quant=None, source=source)  # type: ignore[arg-type]

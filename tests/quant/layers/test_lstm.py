"""An LSTM's cell is a clipped fixed-point number, its tanh a table."""

from __future__ import annotations

import pytest
import torch
from sequence_networks import WEIGHT, grid

from hwcost.errors import BadOption
from hwcost.quant.layers.lstm import LSTMUnit


def unit(**options: int) -> LSTMUnit:
    return LSTMUnit(3, 4, weight_quant=WEIGHT(), source=grid(power=True), **options)


@pytest.mark.parametrize("bits", [6, 8])
def test_the_table_is_tanh_to_half_a_step_of_both(bits: int) -> None:
    layer = unit(table_bits=bits, state_bits=8)
    words = layer.tanh_words().double() / 128
    at = (torch.arange(2**bits).double() - 2 ** (bits - 1) + 0.5) * 8 / 2**bits
    assert len(words) == 2**bits
    assert float((words - torch.tanh(at)).abs().max()) <= 1 / 128
    assert bool((words[1:] >= words[:-1]).all())


def test_the_cell_stops_at_its_range() -> None:
    layer = unit(cell_bits=8, cell_range=2)
    assert layer.cell_fraction == 6
    assert layer.codes().cell(torch.tensor([5.0, -5.0, 1.0])).tolist() == [127 / 64, -2.0, 1.0]
    with torch.no_grad():
        states = layer.unrolled(torch.full((1, 9, 16), 50.0), layer.weight_hh * 0)
    assert float(states.max()) <= 127 / 128 and states[0, -1].tolist() == states[0, -2].tolist()


def test_sizes_out_of_range_are_refused() -> None:
    with pytest.raises(BadOption, match="cell_range=3"):
        unit(cell_range=3)

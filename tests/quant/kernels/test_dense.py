"""Tables of levels, and offsets as places in them."""

import numpy as np
import pytest
import torch

from hwcost.errors import DivergedTraining
from hwcost.quant.kernels.dense import Dense, gathered, level_table, split_matrices, spread_offset, width_places
from hwcost.quant.kernels.tensor import Kind, levels


@pytest.mark.parametrize("kind", [Kind(True, True, True), Kind(True, False, True), Kind(False, False, True)])
def test_a_row_of_the_table_is_what_the_levels_say(kind: Kind) -> None:
    low, high, magic, step, kept = level_table(kind, 8)
    for bits in range(2, 9):
        lowest, highest, reach, _ = levels(float(bits), kind)
        assert (low[bits], high[bits], step[bits]) == (lowest / reach, highest / reach, 1 / reach) and kept[bits]
        values = np.arange(lowest - 2, highest + 3, 0.25, dtype=np.float32) / np.float32(reach)
        rounded = (values + magic[bits]) - magic[bits]
        assert np.array_equal(rounded, np.rint(values * np.float32(reach)) / np.float32(reach))
    assert not kept[0] and bool(kept[1]) is not kind.signed


@pytest.mark.parametrize("kind", [Kind(True, True, True), Kind(False, False, True)])
def test_without_bits_nothing_is_clipped_and_all_is_zero(kind: Kind) -> None:
    low, high, magic, _, _ = level_table(kind, 8)
    values = np.linspace(-1e4, 1e4, 77, dtype=np.float32)
    assert low[0] < -1e4 and high[0] > 1e4
    assert not ((values + magic[0]) - magic[0]).any()


def test_offsets_are_whole_widths_between_the_bounds() -> None:
    offset = np.array([-2.6, 0.5, 1.5, 40.0], dtype=np.float32)
    assert width_places(offset, 1, 8).tolist() == [4, 1, 3, 8]
    with pytest.raises(DivergedTraining, match="NaN"):
        width_places(np.array([1.0, np.nan], dtype=np.float32), 0, 8)


def test_what_shares_a_width_is_spread_and_gathered() -> None:
    shared = torch.tensor([[1.0], [2.0]])
    assert spread_offset(shared, (2, 3)).tolist() == [1, 1, 1, 2, 2, 2]
    assert gathered(np.arange(6, dtype=np.float32).reshape(2, 3), (2, 1)).tolist() == [[3.0], [12.0]]
    one = torch.zeros(())
    layers = [Dense(one, one, torch.zeros(size), one, None) for size in ((2, 3), (1, 2))]
    parts = split_matrices(np.arange(8, dtype=np.float32), layers)
    assert [part.tolist() for part in parts] == [[[0, 1, 2], [3, 4, 5]], [[6, 7]]]
    parts[1][:] = 9
    assert parts[1].base is not None, "views, into which gradients are written"

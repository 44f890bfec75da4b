"""Levels of the inputs of several layers, each by its own threshold and kind."""

import torch

from hwcost.quant.kernels.columns import Columns
from hwcost.quant.kernels.dense import Dense
from hwcost.quant.kernels.stack_channels import flat_levels
from hwcost.quant.kernels.tensor import Kind


def test_each_layer_has_its_threshold_and_each_channel_its_width() -> None:
    signed, unsigned = Kind(True, False, True), Kind(False, False, True)
    grids = (Columns(False, 0.0, 0, 8, signed), Columns(True, -16.0, 0, 4, unsigned))
    layers = [
        Dense(torch.tensor(4.0), torch.tensor([2.0, 0.0, 9.0]), torch.zeros(2, 3), torch.ones(()), None),
        Dense(torch.tensor(0.3), torch.tensor(-3.0), torch.zeros(1, 2), torch.ones(()), None),
    ]
    found = flat_levels(layers, grids)
    assert found.thetas == [4.0, 2.0] and found.held == [False, False]
    assert found.step[[0, 2, 3, 4]].tolist() == [2.0, 4 / 128, 2 / 8, 2 / 8]
    assert found.low[[0, 2, 3, 4]].tolist() == [-4.0, -4.0, 0, 0]
    assert found.high[[0, 2, 3, 4]].tolist() == [2.0, 4 - 4 / 128, 2 - 2 / 8, 2 - 2 / 8]
    assert found.kept.tolist() == [1, 0, 1, 1, 1]


def test_a_threshold_below_the_least_is_held_there() -> None:
    layer = Dense(torch.tensor(-20.0), torch.tensor(2.0), torch.zeros(1, 1), torch.ones(()), None)
    found = flat_levels([layer], (Columns(True, -16.0, 0, 4, Kind(False, False, True)),))
    assert found.held == [True] and found.thetas == [2.0**-16]

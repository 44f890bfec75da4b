"""Fashion-MNIST from local files: images of the recipe's shape, on the grid of its input."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from saved_arrays import IMAGES, idx_folder

from hwcost.errors import BadData
from hwcost.zoo.fashion_mnist import recipe


def test_its_networks_take_what_its_data_give(tmp_path: Path) -> None:
    data = recipe.data(idx_folder(tmp_path))
    assert torch.equal(data.test.x[:, 0] * 256, torch.from_numpy(IMAGES["X_test"]).float())
    assert recipe.input.high == 255
    net = recipe.network(recipe.anchors[1]).eval()
    for built in (net, recipe.float_network().eval()):
        assert built(torch.zeros(2, *recipe.example)).shape == (2, 10)
    with pytest.raises(BadData, match="fashion-mnist: no data; give --data with the folder of its npz or idx files"):
        recipe.data(None)

"""The default recipe: data that ship, pixels that are counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hwcost.errors import BadData
from hwcost.zoo.digits import recipe


def test_its_pixels_are_the_integers_of_its_input() -> None:
    data = recipe.data(None)
    codes = data.train.x * 16
    assert torch.equal(codes, codes.round())
    assert (codes.min(), codes.max()) == (recipe.input.low, recipe.input.high) == (0, 16)
    assert tuple(data.train.x.shape[1:]) == recipe.example


def test_other_data_are_refused_with_the_remedy() -> None:
    with pytest.raises(BadData, match="--data mine: the digits ship with scikit-learn; omit --data"):
        recipe.data(Path("mine"))

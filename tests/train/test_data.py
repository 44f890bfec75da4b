"""Data in memory: labels fit the classes before anything is trained on them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_recipe import made

from hwcost.errors import BadData
from hwcost.train.data import Split


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("label", [3, -1, 1.5])
def test_labels_out_of_range_are_refused(split: str, label: float) -> None:
    data = made(None)
    whole = getattr(data, split)
    labels = whole.y.to(torch.float32) if isinstance(label, float) else whole.y.clone()
    labels[2] = label
    with pytest.raises(BadData, match=rf"made: {split} has labels .* from 0 to 2"):
        replace(data, **{split: Split(whole.x, labels)})


def test_fewer_classes_than_labels_are_refused() -> None:
    with pytest.raises(BadData, match="from 0 to 1, one for each of 2 classes"):
        replace(made(None), classes=2)

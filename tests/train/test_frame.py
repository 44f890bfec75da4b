"""Frames: groups stay whole, labels are stratified, and only training rows decide how features are scaled."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from hwcost.errors import BadData
from hwcost.train.data import Data


def _frame(rows: int = 300) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame({
        "row": np.arange(rows), "noise": draw.normal(5, 3, rows), "same": 7.0, "on": draw.random(rows) < 0.5,
        "group": draw.integers(0, 20, rows), "label": draw.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1]),
    })  # fmt: skip


def _rows(data: Data, frame: pd.DataFrame) -> list[list[int]]:
    """Rows of the frame in each split, found again by the first feature."""
    scaled = torch.cat([split.x[:, 0] for split in (data.train, data.validation, data.test)])
    order = scaled.argsort().argsort()
    sizes = [len(split) for split in (data.train, data.validation, data.test)]
    return [part.tolist() for part in order.split(sizes)]


def test_labels_are_stratified_and_every_row_is_in_one_split() -> None:
    frame = _frame()
    data = Data.from_frame(frame, label="label", groups=None, name="f")
    parts = _rows(data, frame)
    assert [len(part) for part in parts] == [180, 60, 60] and sorted(chain(*parts)) == list(range(300))
    assert data.classes == 3 and data.train.x.shape[1] == 5
    for part, split in zip(parts, (data.train, data.validation, data.test), strict=True):
        assert [("a", "b", "c")[label] for label in split.y.tolist()] == list(frame["label"].iloc[part])
        shares = torch.bincount(split.y).double() / len(split)
        assert shares.tolist() == pytest.approx(list(frame["label"].value_counts(normalize=True)), abs=0.02)


def test_groups_stay_whole_and_are_no_feature() -> None:
    frame = _frame()
    data = Data.from_frame(frame, label="label", groups="group")
    groups = [set(frame["group"].iloc[part]) for part in _rows(data, frame)]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert data.train.x.shape[1] == 4 and min(len(group) for group in groups) >= 3


def test_features_are_scaled_by_the_training_rows_alone() -> None:
    data = Data.from_frame(_frame(), label="label", groups="group")
    torch.testing.assert_close(data.train.x.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(data.train.x.std(0, correction=0), torch.tensor([1.0, 1, 0, 1]), atol=1e-5, rtol=0)
    assert data.test.x.mean(0).abs().max() > 1e-3 and data.train.x.dtype == torch.float32


def test_floats_are_numbers_to_predict_and_the_seed_decides() -> None:
    numbers = _frame().drop(columns="label")
    one, same, other = (Data.from_frame(numbers, label="noise", groups="group", seed=s, share=0.1) for s in (0, 0, 1))
    assert one.classes is None and one.train.y.dtype == torch.float32
    assert one.fingerprint == same.fingerprint != other.fingerprint and len(one.test) < len(one.train) / 4


@pytest.mark.parametrize(
    ("changes", "options", "part"),
    [
        ({}, {"label": "none"}, "no column 'none'; it has row, noise"),
        ({}, {"groups": "none"}, "no column 'none'"),
        ({"noise": "loud"}, {}, "column 'noise' holds .*; encode it"),
        ({"noise": [1.0] * 299 + [np.nan]}, {}, "column 'noise' has no value in row 299"),
        ({"group": 3}, {"groups": "group"}, "cannot be split"),
        ({"label": [*["a"] * 299, "b"]}, {"groups": None}, "cannot be split"),
        ({}, {"share": 0.5}, "share=0.5"),
    ],
)
def test_frames_that_cannot_be_split(changes: dict[str, Any], options: dict[str, Any], part: str) -> None:
    frame = _frame().assign(**changes)
    if "group" not in changes and options.get("groups") is None and "groups" in options:
        frame = frame.drop(columns="group")
    with pytest.raises(BadData, match=f"frame: {part}"):
        Data.from_frame(frame, **{"label": "label", "groups": "group", **options})

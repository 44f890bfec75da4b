"""Data sets from pandas frames: columns to features and targets, rows to three splits by label or by group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hwcost.errors import BadData

Rows = np.ndarray[Any, np.dtype[np.int64]]


def split_frame(
    frame: pd.DataFrame, *, label: str, groups: str | None, name: str, share: float, seed: int
) -> tuple[list[tuple[Tensor, Tensor]], int | None]:
    """Split a table; arguments as of `hwcost.Data.from_frame`.

    Returns:
        Features and targets of training, validation and test rows; the number of labels, None for numbers to predict.

    Raises:
        BadData: a column that is missing, holds no numbers or has gaps, or too few rows or groups.
    """
    lacking = [column for column in (label, groups) if column is not None and column not in frame.columns]
    if lacking:
        raise BadData(f"{name}: no column {lacking[0]!r}; it has {', '.join(map(str, frame.columns))}")
    if not frame.columns.is_unique:
        raise BadData(f"{name}: column {frame.columns[frame.columns.duplicated()][0]!r} occurs twice; rename one")
    features = frame.drop(columns=[label, *([] if groups is None else [groups])])
    for column in features:
        if not pd.api.types.is_numeric_dtype(features[column]):
            raise BadData(f"{name}: column {column!r} holds {features[column].dtype}; encode it, e.g. pd.get_dummies")
    for column in frame:
        if len(gaps := np.flatnonzero(frame[column].isna())):
            raise BadData(f"{name}: column {column!r} has no value in row {gaps[0]}; fill the gaps, or drop these rows")
    targets, classes = frame[label], None
    if pd.api.types.is_float_dtype(targets):
        y = targets.to_numpy(dtype=np.float32)
    else:
        y, values = pd.factorize(targets, sort=True)
        classes = len(values)
    parts = parts_of(name, y if classes else None, None if groups is None else frame[groups], len(frame), (share, seed))
    x = features.to_numpy(dtype=np.float64)
    mean, deviation = x[parts[0]].mean(0), x[parts[0]].std(0)
    x = ((x - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    return [(torch.from_numpy(x[rows]), torch.from_numpy(y[rows])) for rows in parts], classes


def parts_of(
    name: str, labels: Rows | None, groups: pd.Series[Any] | None, count: int, how: tuple[float, int]
) -> tuple[Rows, Rows, Rows]:
    """Draw the rows of training, validation and test.

    Args:
        name: of the data, for messages.
        labels: (count,), to be stratified; None where there are none.
        groups: (count,), which stay whole; None draws row by row.
        count: of all rows.
        how: share of validation, and of test; seed.

    Raises:
        BadData: a share that leaves nothing to train on, too few rows or groups.
    """
    from sklearn.model_selection import GroupShuffleSplit, train_test_split  # takes seconds to import

    share, seed = how
    if not 0 < share < 0.5:
        raise BadData(f"{name}: share={share}; give a share above 0 and below 0.5")
    rows = np.arange(count)

    def drawn(among: Rows, part: float) -> tuple[Rows, Rows]:
        if groups is None:
            kept, left = train_test_split(
                among, test_size=part, random_state=seed, stratify=None if labels is None else labels[among]
            )
            return kept, left
        one = GroupShuffleSplit(n_splits=1, test_size=part, random_state=seed)
        kept, left = next(one.split(among, groups=groups.to_numpy()[among]))
        return among[kept], among[left]

    try:
        rest, test = drawn(rows, share)
        train, validation = drawn(rest, share / (1 - share))
    except ValueError as error:
        raise BadData(f"{name}: cannot be split ({error}); give more rows, or more groups") from error
    return train, validation, test

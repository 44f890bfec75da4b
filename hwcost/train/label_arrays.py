"""Targets as files hold them: labels by number or by name, and numbers to predict."""

from collections.abc import Mapping

import numpy as np

from hwcost.errors import BadData
from hwcost.train.array_files import Array


def targets_of(given: Mapping[str, tuple[Array, str]], classes: int | None) -> tuple[dict[str, Array], int | None]:
    """Convert the targets of all splits to labels or to numbers.

    Args:
        given: split -> its targets, and their place for messages. Whole numbers and texts are labels, one for a sample
            (N,) or for each pixel (N, height, width); floats are numbers to predict.
        classes: number of labels, where they are more than occur; None finds it in "train".

    Returns:
        Split -> int64 labels, or float32 numbers; the number of labels, None for numbers to predict.

    Raises:
        BadData: other types or shapes, values that are not finite, labels below 0 or with gaps.
    """
    kinds = {name: "text" if y.dtype.kind in "US" else "label" if y.dtype.kind in "biu" else y.dtype.kind
             for name, (y, _) in given.items()}  # fmt: skip
    first, of = given["train"]
    if odd := next((name for name, kind in kinds.items() if kind != kinds["train"]), None):
        raise BadData(f"{given[odd][1]} is {given[odd][0].dtype}, but {of} is {first.dtype}; save both as one type")
    if kinds["train"] == "f":
        return {name: _numbers(y, place) for name, (y, place) in given.items()}, None
    if kinds["train"] not in ("text", "label"):
        raise BadData(f"{of} is {first.dtype}; give whole numbers or texts for labels, floats for numbers to predict")
    flat = {name: (_labels(y, place), place) for name, (y, place) in given.items()}
    if kinds["train"] == "text":
        names = np.unique(flat["train"][0])
        flat = {name: (_numbered(y, names, place), place) for name, (y, place) in flat.items()}
    count = _count(flat["train"][0], of) if classes is None else classes
    for y, place in flat.values():
        if y.min() < 0 or y.max() >= count:
            at = int(np.argwhere((y < 0) | (y >= count))[0][0])
            raise BadData(
                f"{place} has label {int(y[at].min() if y.min() < 0 else y[at].max())} in sample {at}; labels are 0 to "
                f"{count - 1}, for {count} classes"
            )
    return {name: y.astype(np.int64) for name, (y, _) in flat.items()}, count


def _numbers(y: Array, place: str) -> Array:
    if not y.size or not y.ndim:
        raise BadData(f"{place} is {y.dtype} of shape {y.shape}; give numbers (N,) or (N, outputs)")
    if not np.isfinite(y).all():
        at = tuple(np.argwhere(~np.isfinite(y))[0].tolist())
        raise BadData(f"{place} holds {y[at]} in sample {at[0]}; drop such samples")
    return y.astype(np.float32)


def _labels(y: Array, place: str) -> Array:
    """One label for a sample, (N,), or for each pixel, (N, height, width)."""
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if not y.size or y.ndim not in (1, 3):
        raise BadData(
            f"{place} is {y.dtype} of shape {y.shape}; labels are (N,), or (N, height, width) of pixels: of one-hot "
            "rows save y.argmax(1), of numbers to predict floats"
        )
    return y


def _numbered(y: Array, names: Array, place: str) -> Array:
    at = np.searchsorted(names, y).clip(max=len(names) - 1)
    if (strange := names[at] != y).any():
        raise BadData(f"{place} has label {str(y[strange][0])!r}, which no training sample has; remove it")
    return at


def _count(y: Array, place: str) -> int:
    """The number of labels of the training samples, which are 0, 1, 2..."""
    values = np.unique(y)
    if values[0] < 0:
        raise BadData(f"{place} has label {values[0]}; labels are 0, 1, 2..., numbers to predict are floats")
    if len(values) < 2 or len(values) > max(2, y.size // 2):
        raise BadData(
            f"{place} has {len(values)} labels in {y.size} targets; give at least 2, several samples of each, and save "
            "numbers to predict as floats"
        )
    if values[-1] != len(values) - 1:
        gap = int(np.setdiff1d(np.arange(len(values)), values)[0])
        raise BadData(
            f"{place} has labels up to {values[-1]}, but no {gap}; number the classes 0, 1, 2..., and save numbers to "
            "predict as floats"
        )
    return len(values)

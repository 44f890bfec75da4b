"""Data sets from local files: scikit-learn's digits, images in npz or idx files, tables in npz files.

Integers stay exact: each x is an integer divided by a power of two, which float32 represents exactly.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import torch

from hwcost.errors import BadData, BadOption
from hwcost.train.array_files import Array, find_arrays
from hwcost.train.data import Data, Split


def digits(*, seed: int = 0) -> Data:
    """The 1,797 images of 8x8 that ship with scikit-learn (UCI optdigits), split 60 / 20 / 20, stratified.

    Args:
        seed: of the split, at least 0.

    Returns:
        x = value / 16, (N, 1, 8, 8) float32: integers 0 to 16 in steps of 1/16.

    Example:
        >>> data = digits()
        >>> len(data.train), len(data.validation), len(data.test), data.classes
        (1079, 359, 359, 10)
    """
    pixels, labels = _optdigits()
    x, y = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8), labels.astype(np.int64)
    rest, test = _stratified(y, 0.2, seed)
    kept, validation = _stratified(y[rest], 0.25, seed)
    return _data("digits", x, y, (rest[kept], rest[validation]), x[test], y[test])


def _optdigits() -> tuple[Array, Array]:
    """Read pixels and labels from scikit-learn's file; importing scikit-learn takes seconds."""
    file = Path(str(distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")))
    if not file.is_file():  # another version keeps it elsewhere
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return bunch.data, bunch.target
    table = np.loadtxt(file, delimiter=",")
    return table[:, :-1], table[:, -1]


def images(where: Path | str, *, validation: float = 1 / 6, seed: int = 0) -> Data:
    """Images with an official test split, as Fashion-MNIST and MNIST are distributed.

    Args:
        where: an npz file with X_train, y_train, X_test, y_test; a folder with one npz file; or a folder with the four
            idx files under MNIST's names, gzipped or not. Pixels are uint8, (N, H, W) or (N, C, H, W).
        validation: share of the training images set aside, stratified; above 0, below 1. The test split is untouched.
        seed: of that split, at least 0.

    Returns:
        x = pixel / 256, (N, C, H, W) float32: integers 0 to 255 in steps of 1/256.

    Raises:
        BadData: files that are missing, truncated, of another format, or of the wrong type or shape; counts that
            differ; labels with gaps.
    """
    form = "images: uint8 (N, H, W) or (N, C, H, W), at least 1"
    path, arrays = _read(where, form, lambda x: x.dtype == np.uint8 and x.ndim in (3, 4))
    x_train, x_test = (x[:, None] if x.ndim == 3 else x for x in (arrays["X_train"], arrays["X_test"]))
    return _official(path, arrays, x_train, x_test, 256.0, validation, seed)


def labelled_images(
    where: Path,
    train: tuple[Array, Array],
    test: tuple[Array, Array],
    *,
    validation: float,
    seed: int,
    classes: int | None = None,
) -> Data:
    """Data set of images in memory.

    Args:
        where: their origin, for messages.
        train, test: pixels, uint8 (N, C, H, W), and labels, (N,).
        validation, seed: as in `images`.
        classes: scores of the network, where there are more than labels; None for the number of labels.

    Raises:
        BadData: as in `images`, or more labels than `classes`.
    """
    arrays = {"y_train": train[1], "y_test": test[1]}
    data = _official(where, arrays, train[0], test[0], 256.0, validation, seed)
    if classes is None or classes == data.classes:
        return data
    if data.classes is not None and data.classes > classes:
        raise BadData(f"{where}: {data.classes} classes, but the network has {classes} scores; remove some")
    return replace(data, classes=classes)


def spectrograms(where: Path | str, *, validation: float = 1 / 6, seed: int = 0) -> Data:
    """Spectrograms with an official test split, e.g. of spoken digits.

    Args:
        where: an npz file with X_train, y_train, X_test, y_test; features are (N, times, features), floating.
        validation, seed: as in `images`.

    Returns:
        x of shape (N, 1, times, features), float32: mean 0 and deviation 1 of each value over the training part.

    Raises:
        BadData: missing, foreign, of the wrong type or shape, counts that differ, labels with holes.
    """
    path, arrays = _read(where, "give finite floats (N, times, features)", lambda x: x.ndim == 3 and _finite(x))
    return _official(path, arrays, arrays["X_train"][:, None], arrays["X_test"][:, None], None, validation, seed)


def table(where: Path | str, *, validation: float = 1 / 6, seed: int = 0) -> Data:
    """Table of features with an official test split, such as UCI's letter and dry bean.

    Args:
        where: an npz file with X_train, y_train, X_test, y_test; features are (N, features), whole or floating.
        validation: share of the training rows set aside, stratified; above 0, below 1. The test split is untouched.
        seed: of that split, at least 0.

    Returns:
        x of shape (N, features), float32. Whole features: value / 2**k, the smallest power of two above the largest
        magnitude in training. Floating features: mean 0 and deviation 1 over the training part (without validation).

    Raises:
        BadData: missing, foreign, of the wrong type or shape, not finite, counts that differ, labels with holes.
    """
    form = "a table is numbers (N, features), at least 1"
    path, arrays = _read(where, form, lambda x: x.ndim == 2 and x.dtype.kind in "iuf")
    x_train, x_test = arrays["X_train"], arrays["X_test"]
    for name, x in (("X_train", x_train), ("X_test", x_test)):
        if not np.isfinite(x).all():
            row, column = np.argwhere(~np.isfinite(x))[0]
            raise BadData(f"{path}: {name} has {x[row, column]} in row {row}, feature {column}; drop or fill such rows")
    scale = None
    if x_train.dtype.kind != "f" and x_test.dtype.kind != "f":
        largest = int(np.abs(x_train.astype(np.float64)).max())
        scale = float(2 ** math.ceil(math.log2(largest + 1)))
    return _official(path, arrays, x_train, x_test, scale, validation, seed)


def anomalies(where: Path | str, *, validation: float = 0.5, seed: int = 0) -> Data:
    """Normal samples to train on and labelled ones to evaluate, for `task.RECONSTRUCTION`.

    Args:
        where: an npz file with X_train, y_train, X_test, y_test; features are (N, features), floating; labels are 0
            for normal and 1 for anomalous, and all 0 in training.
        validation: share of the test samples that becomes the validation split, stratified; above 0, below 1: the
            training samples hold no anomaly to select by.
        seed: of that split, at least 0.

    Returns:
        x of shape (N, features), float32: mean 0 and deviation 1 of each feature over the training samples.

    Raises:
        BadData: missing, foreign, of the wrong type or shape, not finite, an anomaly in training, or fewer than two
            samples of either kind in the test split.
    """
    if not 0 < validation < 1:
        raise BadOption(f"validation={validation!r}: a share of the test samples, above 0 and below 1")
    path, arrays = _read(where, "give finite floats (N, features)", lambda x: x.ndim == 2 and _finite(x))
    x_train, x_test = arrays["X_train"], arrays["X_test"]
    y_train, y_test = _both_labels(path, arrays, x_train, x_test)
    if y_train.any():
        raise BadData(f"{path}: y_train has label {y_train.max()}; train on normal samples only, with label 0")
    if (np.bincount(y_test, minlength=2)[:2] < 2).any() or y_test.max() > 1:
        raise BadData(f"{path}: y_test has labels {np.unique(y_test).tolist()}; give at least two each of 0 and 1")
    shift, width = _standard(x_train)
    x_train, x_test = (((x - shift) / width).astype(np.float32) for x in (x_train, x_test))
    tested, chosen = _stratified(y_test, validation, seed)
    parts = ((x_train, y_train), (x_test[chosen], y_test[chosen]), (x_test[tested], y_test[tested]))
    return _in_memory(path.stem, parts, classes=2)


def _read(where: Path | str, form: str, fits: Callable[[Array], bool]) -> tuple[Path, dict[str, Array]]:
    """The arrays of a file; it is refused where the features of a part do not fit the form, which the message names."""
    path, arrays = find_arrays(Path(where))
    for name in ("X_train", "X_test"):
        x = arrays[name]
        if not x.size or not fits(x):
            raise BadData(f"{path}: {name} is {x.dtype} of shape {x.shape}; {form}")
    return path, arrays


def _finite(x: Array) -> bool:
    return x.dtype.kind == "f" and bool(np.isfinite(x).all())


def _standard(x: Array) -> tuple[Array, Array]:
    """Mean and deviation of each value."""
    shift, width = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    width[width == 0] = 1.0  # a constant feature carries no information at any scale
    return shift, width


def _both_labels(path: Path, arrays: Mapping[str, Array], x_train: Array, x_test: Array) -> tuple[Array, Array]:
    """Labels of training and test; one shape of the samples is checked, too."""
    if x_train.shape[1:] != x_test.shape[1:]:
        raise BadData(f"{path}: samples of shape {x_train.shape[1:]} in X_train, {x_test.shape[1:]} in X_test")
    return (
        _labels(path, "y_train", arrays["y_train"], len(x_train)),
        _labels(path, "y_test", arrays["y_test"], len(x_test)),
    )


def _official(
    path: Path, arrays: Mapping[str, Array], x_train: Array, x_test: Array, scale: float | None, share: float, seed: int
) -> Data:
    """Check labels and shapes, split off validation, and scale; without a scale, standardise by the training part."""
    if not 0 < share < 1:
        raise BadOption(f"validation={share!r}: a share of the training samples, above 0 and below 1")
    y_train, y_test = _both_labels(path, arrays, x_train, x_test)
    classes = int(y_train.max()) + 1
    if classes > len(y_train) or len(np.unique(y_train)) != classes:
        raise BadData(f"{path}: y_train has labels up to {classes - 1} with gaps; number the classes 0, 1, 2...")
    if y_test.max() >= classes:
        raise BadData(f"{path}: y_test has label {y_test.max()}, but y_train only 0 to {classes - 1}")
    smallest = np.bincount(y_train).argmin()
    if np.bincount(y_train)[smallest] < 2:
        raise BadData(f"{path}: class {smallest} has a single training sample; training and validation need one each")
    rows = _stratified(y_train, share, seed)
    shift, width = _standard(x_train[rows[0]].astype(np.float64)) if scale is None else (0.0, scale)
    if scale == 256:  # images: no detour through float64, which takes half a GB for Fashion-MNIST
        x_train, x_test = (x.astype(np.float32) / np.float32(256) for x in (x_train, x_test))
    else:
        x_train, x_test = (((x - shift) / width).astype(np.float32) for x in (x_train, x_test))
    return _data(path.stem, x_train, y_train, rows, x_test, y_test)


def _labels(path: Path, name: str, y: Array, samples: int) -> Array:
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise BadData(f"{path}: {name} is {y.dtype} of shape {y.shape}; labels are whole numbers (N,)")
    if len(y) != samples:
        raise BadData(f"{path}: {len(y)} labels in {name} for {samples} samples; give as many")
    if y.min() < 0:
        raise BadData(f"{path}: {name} has label {y.min()}; labels start at 0")
    return y.astype(np.int64)


def _stratified(y: Array, share: float, seed: int) -> tuple[Array, Array]:
    """Rows kept and rows set aside, sorted; of each class the share, rounded, and at least one on both sides."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise BadOption(f"seed={seed!r}: give a whole number, at least 0")
    random = np.random.default_rng(seed)
    aside = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == label))
        aside[rows[: min(max(1, round(share * len(rows))), len(rows) - 1)]] = True
    return np.flatnonzero(~aside), np.flatnonzero(aside)


def _data(name: str, x: Array, y: Array, rows: tuple[Array, Array], x_test: Array, y_test: Array) -> Data:
    parts = ((x[rows[0]], y[rows[0]]), (x[rows[1]], y[rows[1]]), (x_test, y_test))
    return _in_memory(name, parts, classes=int(y.max()) + 1)


def _in_memory(name: str, parts: Sequence[tuple[Array, Array]], *, classes: int) -> Data:
    """Training, validation and test part as tensors, with their fingerprint."""
    content = sha256()
    for part in parts:
        for array in part:
            content.update(f"{array.dtype} {array.shape} ".encode())
            content.update(np.ascontiguousarray(array).data)
    train, validation, test = (
        Split(torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(np.ascontiguousarray(y))) for x, y in parts
    )
    return Data(
        name=name,
        train=train,
        validation=validation,
        test=test,
        classes=classes,
        fingerprint=content.hexdigest()[:16],
    )

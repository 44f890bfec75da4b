"""Samples and targets from files as people have them: named, checked, scaled, and divided into three splits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, log2, prod
from pathlib import Path

import numpy as np

from hwcost.errors import BadData
from hwcost.train.array_files import Array, named_arrays
from hwcost.train.class_folders import IMAGES, NUMBERS, check_memory, class_files, loaded, own_shape
from hwcost.train.frame import parts_of
from hwcost.train.label_arrays import targets_of

INPUTS = ("x", "image", "images", "input", "inputs", "feature", "features", "sample", "samples", "data")
"""Names of the array that holds the samples, in any case, with the name of a split before or behind."""
TARGETS = ("y", "label", "labels", "target", "targets")
"""Names of the array that holds the targets."""
NAMED = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    "test": "test",
}
"""Word in the name of an array -> split."""


@dataclass(frozen=True)
class Samples:
    """Samples and targets of a split, with their places for messages.

    Attributes:
        x: (N, ...). y: (N, ...).
        x_of, y_of: the file and the array.
    """

    x: Array
    y: Array
    x_of: str
    y_of: str


def read_samples(
    where: Path, *, shape: tuple[int, ...] | None, classes: int | None, share: float, seed: int
) -> tuple[dict[str, tuple[Array, Array]], int | None]:
    """Read a data set; arguments as of `hwcost.Data.from_files`.

    Returns:
        "train", "validation", "test" -> samples, float32, and targets, int64 labels or float32 numbers; the number of
        labels, None for numbers to predict.

    Raises:
        BadData: names file, array, value and remedy.
    """
    if not where.exists():
        raise BadData(f"{where}: no such file or folder; give an npz file, or a folder of samples")
    path, arrays = (where, {}) if _has_classes(where) else named_arrays(where)
    found = _by_name(path, arrays) if arrays else _by_class(where, shape)
    shaped = {name: replace(one, x=_shaped(_numbers(one), shape, one.x_of)) for name, one in found.items()}
    if odd := next((one for one in shaped.values() if one.x.shape[1:] != shaped["train"].x.shape[1:]), None):
        raise BadData(
            f"{odd.x_of}: samples of shape {odd.x.shape[1:]}, but of {shaped['train'].x.shape[1:]} in "
            f"{shaped['train'].x_of}; give all the same shape"
        )
    targets, count = targets_of({name: (one.y, one.y_of) for name, one in shaped.items()}, classes)
    for name, one in shaped.items():
        if len(one.x) != len(targets[name]):
            raise BadData(
                f"{one.x_of}: {len(one.x)} samples, but {len(targets[name])} targets in {one.y_of}; give as many"
            )
    factor = _factor([one.x for one in shaped.values()])
    pairs = {name: ((one.x / factor).astype(np.float32), targets[name]) for name, one in shaped.items()}
    return _divided(str(path), pairs, count, (share, seed)), count


def _has_classes(where: Path) -> bool:
    """Whether a folder is one of samples in sub-folders, and not of arrays."""
    return where.is_dir() and not any(where.glob("*.np[yz]")) and any(path.is_dir() for path in where.iterdir())


def _by_class(where: Path, shape: tuple[int, ...] | None) -> dict[str, Samples]:
    """The splits of a folder with a sub-folder per class."""
    endings = NUMBERS if next(where.rglob("*.npy"), None) is not None else IMAGES
    splits, _ = class_files(where, endings)
    first = splits["train"][0][0]
    if endings is IMAGES and shape is not None and (len(shape) != 3 or shape[0] not in (1, 3)):
        raise BadData(
            f"{where}: images are (1 or 3, height, width), not {shape}; give such a shape, e.g. --input 3,32,32"
        )
    own = shape if endings is IMAGES and shape is not None else own_shape(first)
    if endings is IMAGES and shape is None:
        files = (path for split in splits.values() for path, _ in split)
        if odd := next((path for path in files if own_shape(path)[1:] != own[1:]), None):
            raise BadData(
                f"{odd}: an image of {own_shape(odd)[1:]} pixels, but {first.name} has {own[1:]}; give the size to "
                "scale all to, e.g. --input 3,32,32"
            )
    check_memory(where, sum(map(len, splits.values())), own)
    read = {name: loaded(files, own) for name, files in splits.items()}
    return {name: Samples(x, y, str(where), str(where)) for name, (x, y) in read.items()}


def _by_name(path: Path, arrays: Mapping[str, Array]) -> dict[str, Samples]:
    """The splits of a file, or folder, of named arrays."""
    inputs, targets = _roles(path, arrays, INPUTS), _roles(path, arrays, TARGETS)
    lone = {"": "train"} if set(inputs) == {""} else {}
    hint = f"it has {', '.join(arrays) or 'nothing'}; name them x and y, or x_train, y_train, x_test and y_test"
    if missing := next((f"the targets of {one}" for key, one in inputs.items() if key not in targets), ""):
        raise BadData(f"{path}: no array with {missing}; {hint}")
    if missing := next((f"the samples of {one}" for key, one in targets.items() if key not in inputs), ""):
        raise BadData(f"{path}: no array with {missing}; {hint}")
    if "" in inputs and len(inputs) > 1:
        raise BadData(
            f"{path}: {inputs['']} besides {inputs[next(filter(None, inputs))]}: of which split is it? {hint}"
        )
    if "train" not in inputs and not lone:
        raise BadData(f"{path}: no array with samples to train on; {hint}")
    return {
        lone.get(split, split): Samples(arrays[x], arrays[targets[split]], f"{path}: {x}", f"{path}: {targets[split]}")
        for split, x in inputs.items()
    }


def _roles(path: Path, arrays: Mapping[str, Array], known: tuple[str, ...]) -> dict[str, str]:
    """Split -> the array that has one of some names and belongs to it; "" where its name tells no split."""
    found: dict[str, str] = {}
    for name in arrays:
        words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
        split = next((NAMED[word] for word in words if word in NAMED), "")
        if [word for word in words if word not in NAMED] not in [[one] for one in known]:
            continue
        if split in found:
            raise BadData(f"{path}: {found[split]} and {name}: which is it? Remove one, or rename it")
        found[split] = name
    return found


def _numbers(split: Samples) -> Array:
    """The samples, if they are finite numbers; each of at least one dimension."""
    x = split.x
    if x.dtype.kind not in "biuf" or not x.size or not x.ndim:
        raise BadData(f"{split.x_of} is {x.dtype} of shape {x.shape}; give real numbers (N, ...), at least one sample")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        at = tuple(np.argwhere(~np.isfinite(x))[0].tolist())
        raise BadData(f"{split.x_of} holds {x[at]} in sample {at[0]}; drop such samples, or fill the gaps")
    return x[:, None] if x.ndim == 1 else x


def _shaped(x: Array, shape: tuple[int, ...] | None, of: str) -> Array:
    """Samples of the shape that a network takes: rows are unrolled, channels moved to the front, sides of 1 added."""
    own = x.shape[1:]
    if shape is None or own == shape:
        return x
    as_rows = len(own) == 1 and own[0] == prod(shape)
    if as_rows or [side for side in own if side > 1] == [side for side in shape if side > 1]:
        return x.reshape(-1, *shape)
    if own == (*shape[1:], shape[0]):
        return np.moveaxis(x, -1, 1)
    raise BadData(
        f"{of} has samples of shape {own}, not {shape}; give that shape (--input {','.join(map(str, own))}), or save "
        "the array in the order that the network reads"
    )


def _factor(arrays: list[Array]) -> float:
    """The divisor of the samples: 256 of bytes, a power of two above all of whole numbers, 1 of others."""
    if all(x.dtype == np.uint8 for x in arrays):
        return 256.0
    if not all(x.dtype.kind in "biu" or bool((x == np.rint(x)).all()) for x in arrays):
        return 1.0
    largest = max(float(np.abs(x.astype(np.float64)).max()) for x in arrays)
    return float(2 ** ceil(log2(largest + 1)))


def _divided(
    name: str, parts: dict[str, tuple[Array, Array]], classes: int | None, how: tuple[float, int]
) -> dict[str, tuple[Array, Array]]:
    """Draw the splits that are missing from the training samples, stratified by label."""
    x, y = parts["train"]
    missing = {"validation", "test"} - parts.keys()
    if not missing:
        return parts
    labels = y if classes is not None and y.ndim == 1 else None
    drawn = dict(zip(("train", "validation", "test"), parts_of(name, labels, None, len(y), how), strict=True))
    kept = [rows for split, rows in drawn.items() if split not in missing]
    rows = {"train": np.sort(np.concatenate(kept)), **{split: drawn[split] for split in missing}}
    return parts | {split: (x[chosen], y[chosen]) for split, chosen in rows.items()}

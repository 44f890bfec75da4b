"""Folders with one sub-folder per class, of images or of arrays in npy files."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from hwcost.errors import BadData
from hwcost.train.array_files import Array, read_npy

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
"""Endings of images that are read."""
NUMBERS = frozenset({".npy"})
"""Ending of an array that is one sample."""
MOST_BYTES = 8 * 2**30
"""Limit on the size of samples in files of their own, which are kept in memory as float32."""
SPLITS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}
"""Split -> the names that its folder may have."""

Files = list[tuple[Path, int]]
"""Each sample with its label."""


def class_files(folder: Path, endings: Collection[str]) -> tuple[dict[str, Files], list[str]]:
    """List the samples of each split of a folder, and the names of its classes.

    Args:
        folder: with the sub-folders of the classes; or with train/, and val/ or test/ or both, which hold them.
        endings: of the files that are samples.

    Returns:
        Split -> its samples, "train" alone where the folder is not divided; classes, in the order of their labels.

    Raises:
        BadData: fewer than two classes, a class without samples in training, or one that only other splits have.
    """
    named = {name: next((one for one in names if (folder / one).is_dir()), None) for name, names in SPLITS.items()}
    parts = {name: folder / own for name, own in named.items() if own is not None}
    whole = "train" not in parts or len(parts) == 1
    names = _class_names(folder if whole else parts["train"])
    where = {"train": folder} if whole else parts
    found = {name: _files(path, names, endings) for name, path in where.items()}
    missing = sorted(set(range(len(names))) - {label for _, label in found["train"]})
    if missing:
        lacking = where["train"] / names[missing[0]]
        raise BadData(f"{lacking}: no {', '.join(sorted(endings))} file; put some there, or remove the folder")
    return found, names


def _class_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise BadData(f"{folder}: no such folder; give one with a sub-folder per class")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if len(names) < 2:
        raise BadData(f"{folder}: {len(names)} sub-folders; give one with a sub-folder per class, at least 2")
    return names


def _files(folder: Path, names: list[str], endings: Collection[str]) -> Files:
    foreign = sorted({path.name for path in folder.iterdir() if path.is_dir()} - set(names))
    if foreign:
        raise BadData(f"{folder}: class {foreign[0]!r} is not in train; give the same classes")
    found = [
        (path, label)
        for label, name in enumerate(names)
        for path in sorted((folder / name).glob("*"))
        if path.suffix.lower() in endings
    ]
    if not found:
        raise BadData(f"{folder}: no samples in its sub-folders; put {', '.join(sorted(endings))} files there")
    return found


def check_memory(folder: Path, samples: int, shape: tuple[int, ...]) -> None:
    """Refuse more samples than memory holds as float32.

    Raises:
        BadData: they would take more than `MOST_BYTES`.
    """
    needed = samples * int(np.prod(shape)) * 4
    if needed > MOST_BYTES:
        raise BadData(
            f"{folder}: its samples would take {needed / 2**30:.0f} GiB, more than {MOST_BYTES // 2**30}; give fewer, "
            "a smaller size, or write the recipe's data= as a loader of your own"
        )


def loaded(files: Files, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Samples and labels of some files.

    Args:
        files: images or npy files, all of one kind.
        shape: of each sample; images are scaled by their shorter side and cropped to their middle.

    Returns:
        (N, *shape), uint8 for images; (N,) int64.

    Raises:
        BadData: a file that cannot be read, or of another shape or type than the first.
    """
    first = _one(files[0][0], shape)
    found = np.empty((len(files), *shape), dtype=first.dtype)
    for row, (path, _) in enumerate(files):
        one = _one(path, shape)
        if one.shape != shape or one.dtype != first.dtype:
            raise BadData(
                f"{path}: {one.dtype} of shape {one.shape}, but {files[0][0]} is {first.dtype} of {shape}; save "
                "all alike"
            )
        found[row] = one
    return found, np.array([label for _, label in files], dtype=np.int64)


def own_shape(path: Path) -> tuple[int, ...]:
    """The shape of the sample in a file: (1, height, width) of a grey image, (3, height, width) of a coloured one."""
    if path.suffix.lower() in NUMBERS:
        return read_npy(path).shape
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return (1 if image.mode in ("1", "L") else 3, image.height, image.width)
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _one(path: Path, shape: tuple[int, ...]) -> Array:
    if path.suffix.lower() in NUMBERS:
        return read_npy(path)
    from PIL import Image, ImageOps, UnidentifiedImageError  # comes with matplotlib; only this reader needs it

    channels, height, width = shape
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":
                raise BadData(f"{path}: pixels of more than 8 bits (mode {image.mode}); save them as an npy file")
            pixels = np.asarray(ImageOps.fit(image.convert("L" if channels == 1 else "RGB"), (width, height)))
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)


def _unreadable(path: Path, error: Exception) -> BadData:
    return BadData(f"{path}: no readable image ({type(error).__name__}); mend or remove it")

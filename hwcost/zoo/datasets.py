"""Data sets from what the user has: scikit-learn's digits, image sets in idx or npz files."""

from __future__ import annotations

import gzip
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hwcost.data import Data, Split
from hwcost.errors import BadData

Array = NDArray[np.generic]

SPLIT_SEED = 0  # splits never change with the seed of a sweep: studies stay comparable
ARRAYS = ("X_train", "y_train", "X_test", "y_test")
IDX_FILES = {
    "X_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "X_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def digits() -> Data:
    """1,797 real images of 8x8 from scikit-learn (UCI optdigits test part), split 60 / 20 / 20, stratified.

    Values are the counts 0 to 16, divided by 16: the integers that enter hardware, times a power of two.
    """
    images, labels = load_digits(return_X_y=True)
    x = images.reshape(-1, 1, 8, 8).astype(np.float32) / 16
    x_rest, x_test, y_rest, y_test = _split(x, labels, 0.2)
    x_train, x_validation, y_train, y_validation = _split(x_rest, y_rest, 0.25)
    return _data("digits", (x_train, y_train), (x_validation, y_validation), (x_test, y_test))


def images(path: Path, *, validation: float = 1 / 6) -> Data:
    """An image set with an official test split: one npz file, a folder with one, or a folder of the four idx files.

    The npz holds X_train, y_train, X_test, y_test; the idx files are named as MNIST's and may be gzipped. Pixels are
    0 to 255, divided by 255.

    Args:
        path: file or folder.
        validation: share of the official training images kept for validation, stratified; the test images are those of
            the official split, untouched.

    Raises:
        BadData: missing, truncated, of the wrong shape, labels without images; names the file and the array.
    """
    if not path.exists():
        raise BadData(f"{path}: no such file or folder; --data names the npz file or the folder of the idx files")
    arrays = _read_npz(path) if path.is_file() else _read_folder(path)
    for part in ("train", "test"):
        _check(path, part, arrays[f"X_{part}"], arrays[f"y_{part}"])
    pixels = {name: _pixels(arrays[name]) for name in ("X_train", "X_test")}
    x_train, x_validation, y_train, y_validation = _split(pixels["X_train"], arrays["y_train"], validation)
    return _data(path.stem, (x_train, y_train), (x_validation, y_validation), (pixels["X_test"], arrays["y_test"]))


def _split(x: Array, y: Array, share: float) -> tuple[Array, Array, Array, Array]:
    try:
        x_a, x_b, y_a, y_b = train_test_split(x, y, test_size=share, random_state=SPLIT_SEED, stratify=y)
    except ValueError as error:
        raise BadData(f"{len(x)} images cannot be split by class: {error}") from error
    return x_a, x_b, y_a, y_b


def _data(name: str, *parts: tuple[Array, Array]) -> Data:
    digest = sha256()
    for part in parts:
        for array in part:
            digest.update(np.ascontiguousarray(array).tobytes())
    train, validation, test = (
        Split(torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(y.astype(np.int64))) for x, y in parts
    )
    classes = int(train.y.max()) + 1
    return Data(
        name=name, train=train, validation=validation, test=test, classes=classes, fingerprint=digest.hexdigest()[:16]
    )


def _pixels(array: Array) -> Array:
    scaled: Array = array[:, None].astype(np.float32) / np.float32(255)
    return scaled


def _check(path: Path, part: str, x: Array, y: Array) -> None:
    if x.ndim != 3 or x.dtype != np.uint8:
        raise BadData(f"{path}: X_{part} is {x.dtype} of shape {x.shape}; images are uint8 (count, height, width)")
    if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
        raise BadData(f"{path}: y_{part} is {y.dtype} of shape {y.shape}; {len(x)} images need as many whole labels")
    if not len(x) or y.astype(np.int64).min() < 0:
        raise BadData(f"{path}: {len(x)} {part} images, labels from {y.min() if len(y) else 'none'}; labels start at 0")


def _read_folder(folder: Path) -> dict[str, Array]:
    files = {name: _present(folder, file) for name, file in IDX_FILES.items()}
    if all(files.values()):
        return {name: _read_idx(file) for name, file in files.items() if file}
    if any(files.values()):
        missing = ", ".join(IDX_FILES[name] for name, file in files.items() if not file)
        raise BadData(f"{folder}: {missing} missing (also as .gz); put the file there")
    archives = sorted(folder.glob("*.npz"))
    if len(archives) != 1:
        found = ", ".join(archive.name for archive in archives) or "no npz file"
        raise BadData(f"{folder}: {found}, and no idx files; name one npz file, or put the four idx files there")
    return _read_npz(archives[0])


def _present(folder: Path, name: str) -> Path | None:
    return next((file for file in (folder / name, folder / f"{name}.gz") if file.is_file()), None)


def _read_npz(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in ARRAYS if name not in archive]
            if missing:
                raise BadData(f"{path}: {', '.join(missing)} missing; the file needs {', '.join(ARRAYS)}")
            return {name: archive[name] for name in ARRAYS}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise BadData(f"{path}: not a readable npz file ({error})") from error


def _read_idx(path: Path) -> Array:
    """The idx format: two zero bytes, a type (8: uint8), the rank, a big-endian size per dimension, the values."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise BadData(f"{path}: cannot be read ({error})") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08" or content[3] not in (1, 3):
        raise BadData(f"{path}: not an idx file of bytes (it begins with {content[:4].hex() or 'nothing'})")
    rank = content[3]
    sizes = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    values = np.frombuffer(content, dtype=np.uint8, offset=min(len(content), 4 + 4 * rank))
    if len(values) != np.prod(sizes):
        raise BadData(f"{path}: {len(values)} values, but its header promises {sizes}; the file is incomplete")
    return values.reshape(sizes)

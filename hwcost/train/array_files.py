"""Arrays of a data set, read from npz, npy and idx files; no pickle is ever loaded."""

import gzip
import math
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwcost.errors import BadData

Array = NDArray[Any]

ARRAYS = ("X_train", "y_train", "X_test", "y_test")
IDX_FILES = {
    "X_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "X_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
UNREADABLE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError)


def find_arrays(where: Path) -> tuple[Path, dict[str, Array]]:
    """The file or folder that names the data set, and the four arrays of one with an official test split."""
    if not where.exists():
        raise BadData(f"{where}: no such file or folder; give an npz file, or the folder of the idx files")
    if where.is_file():
        return where, _read_npz(where, _four_arrays)
    if found := _idx_arrays(where):
        return where, found
    archives = sorted(where.glob("*.npz"))
    if len(archives) != 1:
        listed = (
            f"{len(archives)} npz files ({', '.join(file.name for file in archives)})" if archives else "no npz file"
        )
        raise BadData(f"{where}: {listed} and no {IDX_FILES['X_train']}; name the npz file")
    return archives[0], _read_npz(archives[0], _four_arrays)


def named_arrays(where: Path) -> tuple[Path, dict[str, Array]]:
    """The file or folder that names the data set, and all of its arrays by name.

    Args:
        where: an npz file; a folder with one npz file, with npy files, or with the idx files under MNIST's names.

    Returns:
        No array for a folder that holds none of these.

    Raises:
        BadData: a file that cannot be read, or no such one.
    """
    if where.is_file():
        return where, _read_npz(where, _all_arrays)
    if found := _idx_arrays(where):
        return where, found
    if files := sorted(where.glob("*.npy")):
        return where, {file.stem: read_npy(file) for file in files}
    archives = sorted(where.glob("*.npz"))
    if len(archives) > 1:
        raise BadData(f"{where}: {len(archives)} npz files ({', '.join(one.name for one in archives)}); name one")
    return (archives[0], _read_npz(archives[0], _all_arrays)) if archives else (where, {})


def read_npy(path: Path) -> Array:
    """The array of an npy file.

    Raises:
        BadData: it cannot be read, or holds Python objects.
    """
    try:
        with path.open("rb") as file:
            found = np.lib.format.read_array(file, allow_pickle=False)
    except UNREADABLE as error:
        raise BadData(f"{path}: not a readable npy file of numbers ({error}); save it again with np.save") from error
    return np.asarray(found)


def _idx_arrays(where: Path) -> dict[str, Array]:
    """The arrays of a folder of idx files; nothing where it has none of them."""
    files = {array: _present(where, file) for array, file in IDX_FILES.items()}
    missing = [IDX_FILES[array] for array, file in files.items() if file is None]
    if missing and len(missing) < len(files):
        raise BadData(f"{where}: {', '.join(missing)} missing (.gz works too); put it next to the others")
    return {array: _read_idx(file, 3 if array[0] == "X" else 1) for array, file in files.items() if file}


def _present(folder: Path, name: str) -> Path | None:
    return next((file for file in (folder / name, folder / f"{name}.gz") if file.is_file()), None)


def _read_npz(path: Path, read: Callable[[Path, object], dict[str, Array]]) -> dict[str, Array]:
    try:
        with path.open("rb") as file:  # opened here: np.load would leave a broken file open
            archive = np.load(file, allow_pickle=False)
            return read(path, archive)
    except UNREADABLE as error:
        raise BadData(f"{path}: not a readable npz file ({type(error).__name__})") from error


def _four_arrays(path: Path, archive: object) -> dict[str, Array]:
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise BadData(f"{path}: a single array, no npz file; it needs {', '.join(ARRAYS)}")
    missing = [name for name in ARRAYS if name not in archive.files]
    if missing:
        raise BadData(f"{path}: {', '.join(missing)} missing; it has {', '.join(archive.files) or 'nothing'}")
    return {name: _loaded(path, archive, name) for name in ARRAYS}


def _all_arrays(path: Path, archive: object) -> dict[str, Array]:
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise BadData(f"{path}: a single array, no npz file; save inputs and targets with np.savez(path, x=..., y=...)")
    return {name: _loaded(path, archive, name) for name in archive.files}


def _loaded(path: Path, archive: np.lib.npyio.NpzFile, name: str) -> Array:
    try:
        return np.asarray(archive[name])
    except UNREADABLE as error:
        remedy = "it holds Python objects: save numbers" if "pickle" in str(error) else "get the file again"
        raise BadData(f"{path}: {name} cannot be read ({type(error).__name__}); {remedy}") from error


def _read_idx(path: Path, rank: int) -> Array:
    """The idx format: two zero bytes, a type (8: uint8), the rank, a big-endian size per dimension, the values."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except UNREADABLE as error:
        raise BadData(f"{path}: cannot be read ({type(error).__name__}: {error}); get the file again") from error
    magic = bytes((0, 0, 8, rank))
    if content[:4] != magic:
        raise BadData(f"{path}: magic number {content[:4].hex() or 'missing'}, not {magic.hex()}; no such idx file")
    header = 4 + 4 * rank
    sizes = [int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4)]
    if len(content) < header or len(content) - header != math.prod(sizes):
        raise BadData(
            f"{path}: {max(0, len(content) - header)} bytes after a header of {sizes}; truncated, get the file again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(sizes)

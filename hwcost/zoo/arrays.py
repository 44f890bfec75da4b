"""The four arrays of a data set with an official test split, read from an npz file or from idx files."""

import gzip
import math
import zipfile
import zlib
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
    """The file or folder that names the data set, and its four arrays."""
    if not where.exists():
        raise BadData(f"{where}: no such file or folder; give an npz file, or the folder of the idx files")
    if where.is_file():
        return where, _read_npz(where)
    files = {array: _present(where, file) for array, file in IDX_FILES.items()}
    if any(files.values()):
        missing = [IDX_FILES[array] for array, file in files.items() if file is None]
        if missing:
            raise BadData(f"{where}: {', '.join(missing)} missing (.gz works too); put it next to the others")
        return where, {array: _read_idx(file, 3 if array[0] == "X" else 1) for array, file in files.items() if file}
    archives = sorted(where.glob("*.npz"))
    if len(archives) != 1:
        found = (
            f"{len(archives)} npz files ({', '.join(file.name for file in archives)})" if archives else "no npz file"
        )
        raise BadData(f"{where}: {found} and no {IDX_FILES['X_train']}; name the npz file")
    return archives[0], _read_npz(archives[0])


def _present(folder: Path, name: str) -> Path | None:
    return next((file for file in (folder / name, folder / f"{name}.gz") if file.is_file()), None)


def _read_npz(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as file:  # opened here: np.load would leave a broken file open
            archive = np.load(file, allow_pickle=False)
            return _four_arrays(path, archive)
    except UNREADABLE as error:
        raise BadData(f"{path}: not a readable npz file ({type(error).__name__})") from error


def _four_arrays(path: Path, archive: object) -> dict[str, Array]:
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise BadData(f"{path}: a single array, no npz file; it needs {', '.join(ARRAYS)}")
    missing = [name for name in ARRAYS if name not in archive.files]
    if missing:
        raise BadData(f"{path}: {', '.join(missing)} missing; it has {', '.join(archive.files) or 'nothing'}")
    arrays: dict[str, Array] = {}
    for name in ARRAYS:
        try:
            arrays[name] = archive[name]
        except UNREADABLE as error:
            raise BadData(f"{path}: {name} cannot be read ({type(error).__name__}); get the file again") from error
    return arrays


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

"""Tiny data sets as files: npz archives and idx files of random images."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np

ENOUGH = 60


RANDOM = np.random.default_rng(0)


IMAGES = {
    "X_train": RANDOM.integers(0, 256, (ENOUGH, 5, 4), dtype=np.uint8),
    "y_train": np.arange(ENOUGH, dtype=np.uint8) % 3,
    "X_test": RANDOM.integers(0, 256, (9, 5, 4), dtype=np.uint8),
    "y_test": np.arange(9, dtype=np.uint8) % 3,
}


def saved(path: Path, arrays: dict[str, Any], **changes: Any) -> Path:
    kept = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez(path, **kept)
    return path


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def idx_folder(folder: Path, *, gz: bool = False) -> Path:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for name, array in zip(names, ("X_train", "y_train", "X_test", "y_test"), strict=True):
        content = idx(IMAGES[array])
        (folder / f"{name}-ubyte{'.gz' * gz}").write_bytes(gzip.compress(content) if gz else content)
    return folder

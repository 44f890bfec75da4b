"""Colour images from local files: CIFAR-10 batches, and folders with one sub-folder per class."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from hwcost.errors import BadData, BadOption
from hwcost.train.array_files import Array
from hwcost.train.class_folders import IMAGES, Files, check_memory, class_files, loaded
from hwcost.train.data import Data
from hwcost.zoo.data import labelled_images

CIFAR_SHAPE = (3, 32, 32)
CIFAR_ROW = 1 + 3 * 32 * 32
"""Bytes of a binary record: the label, then the pixels plane by plane."""
CIFAR_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
CIFAR_TEST = "test_batch"


def cifar10(where: Path | str, *, validation: float = 0.1, seed: int = 0) -> Data:
    """CIFAR-10 as its authors distribute it.

    Args:
        where: the folder of data_batch_1 to 5 and test_batch: the Python version or the binary one (.bin). Nothing in
            the pickles is executed. Fewer training batches are accepted.
        validation, seed: as in `images`.

    Returns:
        x = pixel / 256, (N, 3, 32, 32) float32.

    Raises:
        BadData: missing, truncated or foreign files.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; cs.toronto.edu/~kriz/cifar.html.
    """
    folder = Path(where)
    train = [path for name in CIFAR_TRAIN if (path := _batch(folder, name)) is not None]
    test = _batch(folder, CIFAR_TEST)
    if not train or test is None:
        raise BadData(f"{folder}: no {CIFAR_TRAIN[0]} and {CIFAR_TEST} (or .bin); name the folder that holds them")
    parts = [_read_batch(path) for path in train]
    x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    x_test, y_test = _read_batch(test)
    return labelled_images(folder, (x, y), (x_test, y_test), validation=validation, seed=seed)


def _batch(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.bin") if path.is_file()), None)


def _read_batch(path: Path) -> tuple[Array, Array]:
    """(N, 3, 32, 32) uint8 and (N,)."""
    if path.suffix == ".bin":
        content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        if not content.size or content.size % CIFAR_ROW:
            raise BadData(
                f"{path}: {content.size} bytes, not a multiple of {CIFAR_ROW}: the file is truncated; download it again"
            )
        rows = content.reshape(-1, CIFAR_ROW)
        return rows[:, 1:].reshape(-1, *CIFAR_SHAPE), rows[:, 0].astype(np.int64)
    try:
        with path.open("rb") as file:
            found = _Arrays(file, encoding="bytes").load()
        pixels, labels = np.asarray(found[b"data"]), np.asarray(found[b"labels"])
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BadData(
            f"{path}: not a CIFAR batch ({type(error).__name__}: {error}); download the file again"
        ) from error
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), CIFAR_ROW - 1):
        raise BadData(f"{path}: pixels {pixels.dtype} {pixels.shape} for {len(labels)} labels; download the file again")
    return pixels.reshape(-1, *CIFAR_SHAPE), labels.astype(np.int64)


class _Arrays(pickle.Unpickler):
    """Builds numpy arrays and nothing else."""

    ALLOWED = frozenset({"_reconstruct", "ndarray", "dtype", "_frombuffer"})

    def find_class(self, module: str, name: str) -> Any:
        """Resolve the names that pickles of old and new numpy versions use."""
        if module.split(".")[0] == "numpy" and name in self.ALLOWED:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)  # where numpy 2 keeps it
        if (module, name) == ("_codecs", "encode"):  # bytes, as Python 3 writes them for Python 2
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def image_folder(
    where: Path | str, *, size: int, classes: int | None = None, validation: float = 1 / 6, seed: int = 0
) -> Data:
    """A folder with one sub-folder per class, as ImageNet is usually unpacked.

    Args:
        where: holds train/ and test/ (or val/), each with a sub-folder per class; png, jpg, bmp or webp files. A folder
            of the classes alone is divided: a sixth of each class becomes the test split.
        size: of the square images, in pixels; each is scaled by its shorter side and cropped to its middle.
        classes: scores of the network, where they are more than the folder has classes.
        validation, seed: as in `images`.

    Returns:
        x = pixel / 256, (N, 3, size, size) float32. All images are kept in memory: for more than 8 GiB of them write
        a loader of your own.

    Raises:
        BadData: no images, other classes in test than in train, more classes than `classes`, too many for memory.
    """
    folder = Path(where)
    if size < 1:
        raise BadOption(f"image_folder: size={size}; give at least 1 pixel")
    splits, _ = class_files(folder, IMAGES)
    test = splits.get("test", splits.get("validation"))
    train = splits.get("train", [])
    if test is None:
        train, test = _divided(train, seed)
    shape = (3, size, size)
    check_memory(folder, len(train) + len(test), shape)
    return labelled_images(
        folder,
        loaded(train, shape),
        loaded(test, shape),
        validation=validation,
        seed=seed,
        classes=classes,
    )


def _divided(files: Files, seed: int) -> tuple[Files, Files]:
    """A sixth of each class, at least one, for the test split."""
    random = np.random.default_rng(seed)
    train, test = [], []
    for label in sorted({label for _, label in files}):
        own = [entry for entry in files if entry[1] == label]
        aside = set(random.permutation(len(own))[: max(1, len(own) // 6)].tolist())
        train += [entry for number, entry in enumerate(own) if number not in aside]
        test += [entry for number, entry in enumerate(own) if number in aside]
    return train, test

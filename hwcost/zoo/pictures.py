"""Colour images from local files: CIFAR-10 batches, and folders with one sub-folder per class."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from hwcost.errors import BadData, BadOption
from hwcost.train.data import Data
from hwcost.zoo.arrays import Array
from hwcost.zoo.data import labelled_images

CIFAR_SHAPE = (3, 32, 32)
CIFAR_ROW = 1 + 3 * 32 * 32
"""Bytes of a binary record: the label, then the pixels plane by plane."""
CIFAR_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
CIFAR_TEST = "test_batch"
IMAGE_FILES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
MOST_BYTES = 8 * 2**30
"""Limit on the size of the decoded images, which are kept in memory as float32."""


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
    test = next((folder / name for name in ("test", "val") if (folder / name).is_dir()), None)
    if (folder / "train").is_dir() and test is not None:
        names = _class_names(folder / "train")
        train_files, test_files = _files(folder / "train", names), _files(test, names)
    else:
        names = _class_names(folder)
        train_files, test_files = _divided(_files(folder, names), seed)
    needed = (len(train_files) + len(test_files)) * 3 * size * size * 4
    if needed > MOST_BYTES:
        raise BadData(
            f"{folder}: its images would take {needed / 2**30:.0f} GiB, more than {MOST_BYTES // 2**30}; give fewer, a "
            "smaller size, or write the recipe's data= as a loader of your own"
        )
    return labelled_images(
        folder,
        _decoded(train_files, size),
        _decoded(test_files, size),
        validation=validation,
        seed=seed,
        classes=classes,
    )


def _class_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise BadData(f"{folder}: no such folder; give one with a sub-folder of images per class")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if len(names) < 2:
        raise BadData(f"{folder}: {len(names)} sub-folders; give one with a sub-folder of images per class, at least 2")
    return names


def _files(folder: Path, names: list[str]) -> list[tuple[Path, int]]:
    """Each image with its label."""
    foreign = sorted({path.name for path in folder.iterdir() if path.is_dir()} - set(names))
    if foreign:
        raise BadData(f"{folder}: class {foreign[0]!r} is not in train; give the same classes")
    found = [
        (path, label)
        for label, name in enumerate(names)
        for path in sorted((folder / name).glob("*"))
        if path.suffix.lower() in IMAGE_FILES
    ]
    if not found:
        raise BadData(f"{folder}: no images in its sub-folders; put {', '.join(sorted(IMAGE_FILES))} files there")
    return found


def _divided(files: list[tuple[Path, int]], seed: int) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]]]:
    """A sixth of each class, at least one, for the test split."""
    random = np.random.default_rng(seed)
    train, test = [], []
    for label in sorted({label for _, label in files}):
        own = [entry for entry in files if entry[1] == label]
        aside = set(random.permutation(len(own))[: max(1, len(own) // 6)].tolist())
        train += [entry for number, entry in enumerate(own) if number not in aside]
        test += [entry for number, entry in enumerate(own) if number in aside]
    return train, test


def _decoded(files: list[tuple[Path, int]], size: int) -> tuple[Array, Array]:
    from PIL import Image, ImageOps, UnidentifiedImageError  # comes with matplotlib; only this reader needs it

    pixels = np.empty((len(files), 3, size, size), dtype=np.uint8)
    for row, (path, _) in enumerate(files):
        try:
            with Image.open(path) as image:
                fitted = ImageOps.fit(image.convert("RGB"), (size, size))
        except (UnidentifiedImageError, OSError, ValueError) as error:
            raise BadData(f"{path}: no readable image ({type(error).__name__}); mend or remove it") from error
        pixels[row] = np.asarray(fitted).transpose(2, 0, 1)
    return pixels, np.array([label for _, label in files], dtype=np.int64)

"""Samples and their targets as people have them: tensors, arrays in memory or on disk, or PyTorch's Datasets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from hwcost.errors import BadData

CHUNK = 1024
"""Samples that are read at once where a whole split is looked at."""


def each(function: Callable[[Tensor], Any], tree: Any) -> Any:
    """Apply a function to every tensor of a tensor, a tuple, a list or a dict of them, in their form."""
    if isinstance(tree, Mapping):
        return {name: each(function, one) for name, one in tree.items()}
    if isinstance(tree, tuple | list):
        return tuple(each(function, one) for one in tree)
    return function(tree)


def leaves(tree: Any) -> list[Tensor]:
    """The tensors of a tensor, a tuple or a dict of them, in their order."""
    found: list[Tensor] = []
    each(found.append, tree)
    return found


def joined(parts: list[Any]) -> Any:
    """Concatenate trees of one form, sample after sample."""
    if isinstance(parts[0], Mapping):
        return {name: joined([part[name] for part in parts]) for name in parts[0]}
    if isinstance(parts[0], tuple):
        return tuple(joined(list(several)) for several in zip(*parts, strict=True))
    return torch.cat(parts)


def _tensor(given: Any) -> Tensor:
    """A tensor of an array, which stays where it is: an array on disk is read when its rows are."""
    if isinstance(given, Tensor):
        return given
    array = np.asanyarray(given)
    if array.dtype.kind not in "biuf":
        raise BadData(f"a split holds {array.dtype} values; give numbers")
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:  # PyTorch computes little with these
        array = array.astype(np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an array that must not be written; nothing of ours does
        return torch.from_numpy(array)


@dataclass(frozen=True, eq=False)
class Split:
    """Samples and their targets as tensors, or as NumPy arrays; `numpy.memmap` stays on disk and is read in batches.

    Attributes:
        x: (samples, channels, height, width) or (samples, features), of any type of number; read as float32.
        y: (samples, ...), or a tuple or a dict of such; class labels are whole numbers from 0. Floats are read as
            float32.
    """

    x: Tensor
    y: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", _tensor(self.x))
        object.__setattr__(self, "y", each(_tensor, self.y))
        targets = {len(one) if one.ndim else 0 for one in leaves(self.y)}
        if targets != {len(self.x)} or not len(self.x):
            counts = " and ".join(map(str, sorted(targets)))
            raise BadData(f"a split of {len(self.x)} samples and {counts} labels; give as many of both, at least 1")

    @staticmethod
    def of(given: Any) -> Split:
        """The samples of whatever holds them: a pair of arrays, a Dataset of PyTorch, a DataLoader (its Dataset).

        Raises:
            BadData: anything else, or without samples.
        """
        if isinstance(given, DataLoader):
            given = given.dataset
        if isinstance(given, Split):
            return given
        if isinstance(given, tuple) and len(given) == 2:
            return Split(*given)
        if isinstance(given, Dataset):
            return Asked(given)
        raise BadData(f"{type(given).__name__}; give a hwcost.Split, a pair of arrays, a Dataset or a DataLoader")

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, at: int) -> tuple[Tensor, Any]:
        x, y = self.take(slice(at, at + 1))
        return x[0], each(lambda one: one[0], y)

    def take(self, rows: Tensor | slice) -> tuple[Tensor, Any]:
        """Inputs (float32) and targets of some samples."""
        return self.x[rows].float(), each(lambda one: _single(one[rows]), self.y)

    @property
    def example(self) -> Tensor:
        """The first input, a batch of one."""
        return self.take(slice(0, 1))[0]

    def to(self, device: torch.device) -> Split:
        """Copy the split to a device."""
        return Split(self.x.to(device), each(lambda one: one.to(device), self.y))

    def steps(self, batch: int) -> int:
        """Batches in one pass; the last may be smaller, or one larger: see `batches`."""
        return len(self._starts(batch))

    def batches(
        self, batch: int, *, shuffle: torch.Generator | None = None, order: Tensor | None = None
    ) -> Iterator[tuple[Tensor, Any]]:
        """One pass over the samples, as they come, shuffled, or in an order.

        A lone last sample joins the batch before it: batch norm cannot train on one sample.
        """
        if order is None and shuffle is not None:
            order = torch.randperm(len(self), generator=shuffle)
        starts = self._starts(batch)
        for start, stop in zip(starts, [*starts[1:], len(self)], strict=True):
            yield self.take(slice(start, stop) if order is None else order[start:stop])

    def _starts(self, batch: int) -> range:
        lone = len(self) > batch > 1 and len(self) % batch == 1
        return range(0, len(self) - lone, batch)

    def digest(self) -> str:
        """Hash of every value, 64 hexadecimal digits."""
        content = sha256()
        for x, y in self.batches(CHUNK):
            for one in (x, *leaves(y)):
                content.update(f"{one.dtype} {tuple(one.shape)}".encode() + one.cpu().contiguous().numpy().tobytes())
        return content.hexdigest()


def _single(target: Tensor) -> Tensor:
    return target.float() if target.dtype == torch.float64 else target


class Asked(Split):
    """Samples of a Dataset, each asked for when its batch is due; an IterableDataset is read once, and kept."""

    def __init__(self, dataset: Any, device: torch.device | None = None) -> None:
        kept = list(dataset) if isinstance(dataset, IterableDataset) else dataset
        if not hasattr(kept, "__len__"):
            raise BadData(f"{type(kept).__name__} has no length; give it __len__")
        pair = kept[0] if len(kept) else None
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise BadData(f"{type(kept).__name__} gives {type(pair).__name__} for sample 0; give (input, target)")
        for name, value in (("dataset", kept), ("device", device)):
            object.__setattr__(self, name, value)

    dataset: Any
    device: torch.device | None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, at: int) -> tuple[Tensor, Any]:
        x, y = self.dataset[at]
        return x, y

    def take(self, rows: Tensor | slice) -> tuple[Tensor, Any]:
        asked = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        x, y = default_collate([tuple(self.dataset[at]) for at in asked])
        y = each(_single, y)
        return (x.float(), y) if self.device is None else (x.float().to(self.device), each(self._moved, y))

    def _moved(self, target: Tensor) -> Tensor:
        return target.to(self.device)

    def to(self, device: torch.device) -> Split:
        return Asked(self.dataset, device)

"""Samples and their targets as people have them: tensors, arrays in memory or on disk, or PyTorch's Datasets."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    default_collate,
    default_convert,
)

from hwcost.errors import BadData, HwcostError
from hwcost.train.tree import each, leaves, shapes

_UNLIKE = (RuntimeError, TypeError, KeyError, ValueError)
"""Errors of `default_collate` at samples that make no batch."""

CHUNK = 1024
"""Samples that are read at once where a whole split is looked at."""


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Put the place of samples in front of what is wrong with them."""
    try:
        yield
    except BadData as error:
        raise BadData(f"{where}: {error}") from error


def _tensor(given: Any) -> Tensor:
    """A tensor of an array, which stays where it is: an array on disk is read when its rows are."""
    if isinstance(given, Tensor):
        return given
    array = np.asanyarray(given)
    if array.dtype.kind not in "biuf":
        raise BadData(f"a split holds {array.dtype} values; give numbers")
    if isinstance(array, np.memmap):
        if not array.dtype.isnative:
            raise BadData(
                f"a file holds {array.dtype.str} values, in the byte order of other machines; write it in this one's"
            )
    elif array.dtype.kind == "u" and array.dtype.itemsize > 1:  # PyTorch computes little with these
        array = array.astype(np.int64)
    elif not array.dtype.isnative or array.dtype.itemsize > 8:
        array = array.astype(np.float64 if array.dtype.kind == "f" else array.dtype.newbyteorder("="))
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an array that must not be written; nothing of ours does
        return torch.from_numpy(array)


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Samples and their targets as tensors, or as NumPy arrays; `numpy.memmap` stays on disk and is read in batches.

    Attributes:
        x: (samples, channels, height, width) or (samples, features), of any type of number; read as float32. A network
            of several inputs gets a tuple of such, by place, or a dict, by the names of its `forward`.
        y: (samples, ...), or a tuple or a dict of such; class labels are whole numbers from 0. Floats are read as
            float32.
        mapped: whether some of it is on disk alone; found here.
    """

    x: Any
    y: Any
    mapped: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        given: list[Any] = leaves((self.x, self.y))
        object.__setattr__(self, "mapped", any(isinstance(one, np.memmap) for one in given))
        for name in ("x", "y"):
            object.__setattr__(self, name, each(_tensor, getattr(self, name)))
        inputs, targets = ({len(one) if one.ndim else 0 for one in leaves(tree)} for tree in (self.x, self.y))
        if targets != inputs or len(inputs) != 1 or not len(self):
            samples, labels = (" and ".join(map(str, sorted(counts))) for counts in (inputs, targets))
            raise BadData(f"a split of {samples} samples and {labels} labels; give as many of each, at least 1")

    @staticmethod
    def of(given: Any) -> Split:
        """The samples of whatever holds them: a pair of arrays, a Dataset of PyTorch, a DataLoader (its Dataset).

        Raises:
            BadData: anything else, or without samples.
        """
        if isinstance(given, DataLoader):
            given = _dataset(given)
        if isinstance(given, Split):
            return given
        if isinstance(given, tuple) and len(given) == 2:
            return Split(*given)
        if isinstance(given, Dataset):
            return Asked(given)
        raise BadData(f"{type(given).__name__}; give a hwcost.Split, a pair of arrays, a Dataset or a DataLoader")

    def __len__(self) -> int:
        return len(leaves(self.x)[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} samples of {shapes(self.example)})"

    def __getitem__(self, at: int) -> tuple[Any, Any]:
        x, y = self.take(slice(at, at + 1))
        return each(lambda one: one[0], x), each(lambda one: one[0], y)

    def take(self, rows: Tensor | slice) -> tuple[Any, Any]:
        """Inputs (float32) and targets of some samples, in the form of the split."""
        return each(lambda one: one[rows].float(), self.x), each(lambda one: _single(one[rows]), self.y)

    def some(self, rows: Tensor) -> Split:
        """A split of these samples; what is not in memory stays where it is."""
        if isinstance(self, Asked) or self.mapped:
            return Asked(Subset(self, rows.tolist()))  # type: ignore[arg-type] # it has what a Dataset has
        return Split(*(each(lambda one: one[rows], tree) for tree in (self.x, self.y)))

    @property
    def example(self) -> Any:
        """The first input, a batch of one."""
        return self.take(slice(0, 1))[0]

    def to(self, device: torch.device) -> Split:
        """Copy the split to a device."""
        return Split(*(each(lambda one: one.to(device), tree) for tree in (self.x, self.y)))

    def steps(self, batch: int) -> int:
        """Batches in one pass; the last may be smaller, or one larger: see `batches`."""
        return len(self._starts(batch))

    def batches(
        self, batch: int, *, shuffle: torch.Generator | None = None, order: Tensor | None = None
    ) -> Iterator[tuple[Any, Any]]:
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
            for one in leaves((x, y)):
                content.update(f"{one.dtype} {tuple(one.shape)}".encode() + one.cpu().contiguous().numpy().tobytes())
        return content.hexdigest()


_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)


def _single(target: Tensor) -> Tensor:
    if target.dtype in _UNSIGNED:
        return target.long()
    return target.float() if target.dtype == torch.float64 else target


def _dataset(loader: DataLoader[Any]) -> Any:
    """The samples of a DataLoader that changes nothing but their order.

    Raises:
        BadData: what else it does would be lost.
    """
    plain = isinstance(loader.dataset, IterableDataset) or type(loader.sampler) in (SequentialSampler, RandomSampler)
    if not plain:
        raise BadData(
            f"the {type(loader.sampler).__name__} of a DataLoader would be lost; give its Dataset, with Data(weights=) "
            "for how often a sample is drawn, or torch.utils.data.Subset for some of them"
        )
    if loader.collate_fn not in (default_collate, default_convert):
        raise BadData(
            "the collate_fn of a DataLoader would be lost; give a Dataset whose samples are as the network takes them"
        )
    return loader.dataset


class Asked(Split):
    """Samples of a Dataset, each asked for when its batch is due; an IterableDataset is read once, and kept."""

    def __init__(self, dataset: Any, device: torch.device | None = None) -> None:
        if not hasattr(dataset, "__len__"):  # a stream may have no end
            raise BadData(f"{type(dataset).__name__} has no length; give it __len__")
        kept = list(islice(dataset, len(dataset))) if isinstance(dataset, IterableDataset) else dataset  # type: ignore[arg-type] # it has
        pair = kept[0] if len(kept) else None
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise BadData(f"{type(kept).__name__} gives {type(pair).__name__} for sample 0; give (input, target)")
        for name, value in (("dataset", kept), ("device", device)):
            object.__setattr__(self, name, value)

    dataset: Any
    device: torch.device | None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, at: int) -> tuple[Any, Any]:
        """A sample as the Dataset gives it.

        Raises:
            BadData: it cannot be read.
        """
        try:
            x, y = self.dataset[at]
        except HwcostError:
            raise
        except Exception as error:  # a user's Dataset may fail in any way at all
            raise BadData(
                f"sample {at} cannot be read ({type(error).__name__}: {error}); mend it, or leave it out"
            ) from error
        return x, y

    def take(self, rows: Tensor | slice) -> tuple[Any, Any]:
        asked = list(range(len(self))[rows]) if isinstance(rows, slice) else rows.tolist()
        samples = [self[at] for at in asked]
        try:
            x, y = default_collate(samples)
        except _UNLIKE as error:
            raise _unlike(asked, samples, error) from error
        x, y = each(Tensor.float, x), each(_single, y)
        return (x, y) if self.device is None else (each(self._moved, x), each(self._moved, y))

    def _moved(self, one: Tensor) -> Tensor:
        return one.to(self.device)

    def to(self, device: torch.device) -> Split:
        return Asked(self.dataset, device)


def _unlike(asked: list[int], samples: list[Any], error: Exception) -> BadData:
    """The error of samples that make no batch: the first that differs from the one in front of all."""
    pairs = zip(asked, samples, strict=True)
    at, sample = next(((at, one) for at, one in pairs if not _batched([samples[0], one])), (asked[0], samples[0]))
    if at == asked[0]:
        return BadData(f"sample {at} is {_form(sample)}, which is no batch ({error}); give numbers or arrays")
    return BadData(f"sample {at} is {_form(sample)}, sample {asked[0]} {_form(samples[0])}; give all the same form")


def _batched(samples: list[Any]) -> bool:
    try:
        default_collate(samples)
    except _UNLIKE:
        return False
    return True


def _form(sample: Any) -> str:
    """Shapes and kinds in a sample."""
    if isinstance(sample, Mapping):
        return f"{{{', '.join(f'{name}: {_form(one)}' for name, one in sample.items())}}}"
    if isinstance(sample, tuple | list):
        return f"({', '.join(map(_form, sample))})"
    return str(tuple(sample.shape)) if hasattr(sample, "shape") else type(sample).__name__

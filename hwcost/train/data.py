"""A data set in memory: three splits that never meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hwcost.errors import BadData


@dataclass(frozen=True, eq=False)
class Split:
    """Samples and their labels.

    Attributes:
        x: (samples, channels, height, width) or (samples, features), float32.
        y: (samples,), int64, from 0.
    """

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or not len(self.x):
            raise BadData(
                f"a split of {len(self.x)} samples and {len(self.y)} labels; give as many of both, at least 1"
            )

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> Split:
        """Copy the split to a device."""
        return Split(self.x.to(device), self.y.to(device))

    def steps(self, batch: int) -> int:
        """Batches in one pass; the last may be smaller, or one larger: see `batches`."""
        return len(self._starts(batch))

    def batches(self, batch: int, *, shuffle: torch.Generator | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the samples, in order or shuffled.

        A lone last sample joins the batch before it: batch norm cannot train on one sample.
        """
        order = None if shuffle is None else torch.randperm(len(self), generator=shuffle)
        starts = self._starts(batch)
        for start, stop in zip(starts, [*starts[1:], len(self)], strict=True):
            rows = slice(start, stop) if order is None else order[start:stop]
            yield self.x[rows], self.y[rows]

    def _starts(self, batch: int) -> range:
        lone = len(self) > batch > 1 and len(self) % batch == 1
        return range(0, len(self) - lone, batch)


@dataclass(frozen=True, eq=False, kw_only=True)
class Data:
    """Training, validation and test samples, kept apart: fit on the first, select on the second, report the third.

    Attributes:
        name: for reports.
        train, validation, test: the splits.
        classes: number of labels.
        fingerprint: short hash of all arrays; a study refuses to resume with other data.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    fingerprint: str

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test"):
            labels = getattr(self, name).y
            if labels.is_floating_point() or int(labels.min()) < 0 or int(labels.max()) >= self.classes:
                raise BadData(
                    f"{self.name}: {name} has labels {labels.min():g} to {labels.max():g} ({labels.dtype}); give "
                    f"whole numbers from 0 to {self.classes - 1}, one for each of {self.classes} classes"
                )

    def all_but_test(self) -> Data:
        """The same with the validation samples among those to train on, for a network that is chosen already.

        Those of a label that training does not know stay out: what learns normal samples must not see strange ones.
        """
        known = torch.isin(self.validation.y, self.train.y)
        x = torch.cat([self.train.x, self.validation.x[known]])
        return replace(self, train=Split(x, torch.cat([self.train.y, self.validation.y[known]])))

    def to(self, device: torch.device) -> Data:
        """Copy the data to a device."""
        splits = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **splits)

"""A data set: three splits that never meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset

from hwcost.errors import BadData
from hwcost.train.frame import parts_of, split_frame
from hwcost.train.sample_files import read_samples
from hwcost.train.split import CHUNK, Asked, naming
from hwcost.train.split import Split as Split
from hwcost.train.tree import joined, leaves, shapes

SPLITS = ("train", "validation", "test")


def _same(one: Any, other: Any) -> bool:
    """Whether two trees hold the same values."""
    pairs = zip(leaves(one), leaves(other), strict=False)
    return shapes(one) == shapes(other) and all(torch.equal(mine, theirs) for mine, theirs in pairs)


def _alike(one: Split, other: Split) -> bool:
    """Whether two splits hold the same samples."""
    if len(one) != len(other) or not _same(one.example, other.example):
        return False
    return one is other or one.digest() == other.digest()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Data:
    """Training, validation and test samples, kept apart: fit on the first, select on the second, report the third.

    Attributes:
        name: for reports.
        train, validation, test: the splits: each a `Split`, a pair of arrays, a Dataset of pairs, or a DataLoader,
            whose Dataset is taken.
        classes: number of labels, where the targets are labels; None where they are something else.
        fingerprint: short hash of all samples; a study refuses to resume with other data. Left out, it is computed.
        augment: inputs of a training batch -> inputs of the same shapes to train on; validation and test never see it.
            It draws from PyTorch's own generator, which each trial seeds.
        weights: (training samples,), above 0: how often each is drawn into a pass, in proportion; None takes each once.
        validation_is_test: whether the test samples are those of the validation, so that the test score tells nothing
            new; found here.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int | None = None
    fingerprint: str = ""
    augment: Callable[[Any], Any] | None = None
    weights: Tensor | None = None
    validation_is_test: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        for name in SPLITS:
            with naming(f"{self.name}: {name}"):
                split = Split.of(getattr(self, name))
                object.__setattr__(self, name, split)
            if not isinstance(split, Asked):
                self.check_labels(name, split.y)
        examples = {}
        for name in SPLITS:
            with naming(f"{self.name}: {name}"):
                examples[name] = shapes(getattr(self, name).example)
        if other := next((name for name in SPLITS if examples[name] != examples["train"]), None):
            raise BadData(
                f"{self.name}: a {other} sample is {examples[other]}, a training sample {examples['train']}; give all "
                "the same shape"
            )
        object.__setattr__(self, "validation_is_test", _alike(self.validation, self.test))
        if self.weights is not None:
            given = torch.as_tensor(self.weights, dtype=torch.float64)
            if given.shape != (len(self.train),) or not bool(((given > 0) & given.isfinite()).all()):
                raise BadData(
                    f"{self.name}: weights: give {len(self.train)} finite numbers above 0, one for each sample"
                )
            object.__setattr__(self, "weights", given)
        if not self.fingerprint:
            self._check_repeatable()
            digests = " ".join(self._digest(name) for name in SPLITS)
            digests += "" if self.weights is None else f" {self.weights.tolist()}"
            object.__setattr__(self, "fingerprint", sha256(digests.encode()).hexdigest()[:16])

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}={len(getattr(self, name))}" for name in SPLITS)
        return f"Data({self.name!r}, {counts}, samples={shapes(self.train.example)}, classes={self.classes})"

    @staticmethod
    def from_frame(
        frame: pd.DataFrame,
        *,
        label: str,
        groups: str | None = None,
        name: str = "frame",
        share: float = 0.2,
        seed: int = 0,
    ) -> Data:
        """Split a pandas frame into training, validation and test rows.

        Labels are stratified; groups stay whole, so that no group is in two splits. Features are standardised by mean
        and deviation of the training rows: let the network quantize them, with `input=unknown()`.

        Args:
            frame: numbers in every column but `label` and `groups`, one row per sample.
            label: column of the targets: whole numbers, texts or categories are labels, sorted by value; floats are
                numbers to predict.
            groups: column that tells what belongs together, e.g. a patient or a machine; no feature.
            name: for reports.
            share: of the rows for validation, and again for the test; above 0, below 0.5.
            seed: of the split, at least 0.

        Raises:
            BadData: a column that is missing, holds no numbers or has gaps, or too few rows or groups.
        """
        parts, classes = split_frame(frame, label=label, groups=groups, name=name, share=share, seed=seed)
        train, validation, test = (Split(*part) for part in parts)
        return Data(name=name, train=train, validation=validation, test=test, classes=classes)

    @staticmethod
    def from_samples(
        samples: Any,
        *,
        name: str,
        classes: int | None = None,
        groups: Any = None,
        share: float = 0.2,
        seed: int = 0,
    ) -> Data:
        """Split samples into training, validation and test; what is on disk, or in a Dataset, stays there.

        Args:
            samples: all of them, in any form of a split.
            name: for reports.
            classes: number of labels, which are stratified where no groups are given; None where targets are no labels.
            groups: (samples,), numbers or texts: what belongs together, e.g. a patient or a machine, stays together.
            share: of the samples for validation, and again for the test; above 0, below 0.5.
            seed: of the split, at least 0.

        Raises:
            BadData: samples that are none, groups of another number, or too few samples or groups.
        """
        with naming(name):
            whole = Split.of(samples)
            if groups is not None and len(groups) != len(whole):
                raise BadData(f"{len(whole)} samples, but {len(groups)} groups; give one for each sample")
        labels = None
        if classes is not None and groups is None:
            with naming(name):
                labels = torch.cat([y for _, y in whole.batches(CHUNK)]).numpy()
        known = None if groups is None else pd.Series(np.asarray(groups))
        rows = parts_of(name, labels, known, len(whole), (share, seed))
        train, validation, test = (whole.some(torch.from_numpy(part)) for part in rows)
        return Data(name=name, train=train, validation=validation, test=test, classes=classes)

    @staticmethod
    def from_files(
        where: Path | str,
        *,
        shape: tuple[int, ...] | None = None,
        classes: int | None = None,
        share: float = 0.2,
        seed: int = 0,
    ) -> Data:
        """Read samples and targets from files, and draw from the training samples what validation or test are missing.

        Args:
            where: an npz file with x and y, or with x_train, y_train and x_test, y_test, x_val, y_val (also images,
                labels, targets...); a folder of npy files of these names, or of MNIST's idx files; a folder with a
                sub-folder per class, of images or of npy files, or with train/, val/ and test/ that hold such.
            shape: of one sample, as the network takes it, e.g. (3, 32, 32): rows are unrolled, channels moved to the
                front, images scaled and cropped; None leaves the samples as they are.
            classes: scores of the network, where they are more than the labels; None counts the labels.
            share: of the training samples for each missing split, stratified by label; above 0, below 0.5.
            seed: of that division, at least 0.

        Returns:
            x, float32: bytes / 256; other whole numbers / 2^k, the least power of two above them; floats as they are.
            y: labels, where the file has whole numbers or texts; floats are numbers to predict.

        Raises:
            BadData: what is missing or cannot be read, types, shapes, gaps; names file, array, value and remedy.
        """
        name = Path(where).stem or "data"
        parts, count = read_samples(Path(where), shape=shape, classes=classes, share=share, seed=seed)
        train, validation, test = (Split(*parts[split]) for split in SPLITS)
        return Data(name=name, train=train, validation=validation, test=test, classes=count)

    def _digest(self, name: str) -> str:
        with naming(f"{self.name}: {name}"):
            found: str = getattr(self, name).digest()
        return found

    def _check_repeatable(self) -> None:
        """Refuse to hash samples that differ from reading to reading, such as those of a Dataset that augments."""
        for name in SPLITS:
            samples = getattr(self, name)
            if isinstance(samples, Asked) and not _same(samples.example, samples.example):
                raise BadData(
                    f"{self.name}: {name}: sample 0 differs between two readings; move what is random into augment=, "
                    "or give a fingerprint="
                )

    def check_labels(self, name: str, targets: Any, start: int = 0) -> None:
        """Hold targets against the number of classes.

        Args:
            name: of their split.
            targets: of some of its samples.
            start: number of the first of these.

        Raises:
            BadData: a label that is no whole number, or of no class; names its sample.
        """
        if self.classes is None or not isinstance(targets, Tensor):
            return
        values = targets.double()
        stray = ((values < 0) | (values >= self.classes) | (values != values.round())).reshape(len(values), -1).any(1)
        if targets.is_floating_point() or bool(stray.any()):
            at = int(stray.int().argmax())
            raise BadData(
                f"{self.name}: {name} has labels {values.min():g} to {values.max():g} ({targets.dtype}), "
                f"{values[at].max():g} in sample {start + at}; give whole numbers from 0 to {self.classes - 1}, one "
                f"for each of {self.classes} classes, or leave out classes= where the targets are no labels"
            )

    def batches(self, batch: int, *, shuffle: torch.Generator) -> Iterator[tuple[Any, Any]]:
        """One pass over the training samples, shuffled, weighted and augmented.

        Args:
            batch: samples in a step.
            shuffle: draws their order.
        """
        order = None
        if self.weights is not None:  # multinomial() takes no more than 2^24
            ends = self.weights.cumsum(0)
            drawn = torch.rand(len(ends), dtype=torch.float64, generator=shuffle) * ends[-1]
            order = torch.searchsorted(ends, drawn, right=True).clamp(max=len(ends) - 1)
        for x, y in self.train.batches(batch, shuffle=shuffle, order=order):
            yield x if self.augment is None else self._augmented(x), y

    def _augmented(self, x: Any) -> Any:
        assert self.augment is not None
        seen = shapes(x), len(leaves(x)[0])
        changed = self.augment(x)
        if (
            not all(isinstance(one, Tensor) for one in leaves(changed))
            or (shapes(changed), len(leaves(changed)[0])) != seen
        ):
            raise BadData(
                f"{self.name}: augment= gave {shapes(changed)} for inputs of {seen[0]}; give as many of the same shape"
            )
        return changed

    def all_but_test(self) -> Data:
        """The same with the validation samples among those to train on, for a network that is chosen already.

        Where all training samples have one label, those of another stay out: what learns normal samples must not see
        strange ones. With weights, those of the validation have the mean of the others.
        """
        more = self._with_validation()
        if self.weights is None:
            return more
        added = self.weights.mean().expand(len(more.train) - len(self.train))
        return replace(more, weights=torch.cat([self.weights, added]))

    def _with_validation(self) -> Data:
        first, second = self.train, self.validation
        if any(isinstance(one, Asked) or one.mapped for one in (first, second)):
            return replace(
                self, weights=None, train=Asked(ConcatDataset([cast("Dataset[Any]", one) for one in (first, second)]))
            )
        if isinstance(first.y, Tensor) and first.y.ndim == 1 and bool((first.y == first.y[0]).all()):
            same = second.y == first.y[0]
            x, y = joined([(first.x, first.y), (second.x[same], second.y[same])])
            return replace(self, weights=None, train=Split(x, y))
        x, y = joined([(one.x, one.y) for one in (first, second)])
        return replace(self, weights=None, train=Split(x, y))

    def to(self, device: torch.device) -> Data:
        """Copy the data to a device."""
        splits = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **splits)

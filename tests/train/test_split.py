"""Splits: every form gives the same batches, arrays on disk stay there, targets keep their form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from hwcost.errors import BadData
from hwcost.train.split import Split

X = torch.arange(24.0).reshape(12, 2)
Y = torch.arange(12) % 3


class _Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(zip(X, Y, strict=True))


def _forms() -> list[Any]:
    pairs = TensorDataset(X, Y)
    return [
        Split(X, Y), (X.numpy(), Y.numpy()), (X.double(), Y), (X.to(torch.uint8), Y), pairs,
        DataLoader(pairs, batch_size=5, shuffle=True), _Stream(),
    ]  # fmt: skip


@pytest.mark.parametrize("form", range(7))
def test_every_form_gives_the_same_batches(form: int) -> None:
    samples = Split.of(_forms()[form])
    assert len(samples) == 12 and samples.steps(5) == 3 and samples.example.shape == (1, 2)
    for shuffle in (False, True):
        order = [torch.Generator().manual_seed(1) if shuffle else None for _ in range(2)]
        mine, theirs = (list(one.batches(5, shuffle=at)) for one, at in zip((samples, Split(X, Y)), order, strict=True))
        for (x, y), (expected_x, expected_y) in zip(mine, theirs, strict=True):
            assert x.dtype == torch.float32 and torch.equal(x, expected_x) and torch.equal(y, expected_y)
    assert samples.digest() == Split(X, Y).digest()


def test_a_file_is_read_in_batches(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.numpy().astype(np.uint8))
    split = Split(np.load(tmp_path / "x.npy", mmap_mode="r"), Y)  # type: ignore[arg-type]
    assert split.x.dtype == torch.uint8 and torch.equal(split.take(torch.tensor([3, 1]))[0], X[[3, 1]])


def test_targets_may_be_tuples_and_dicts() -> None:
    targets = {"label": Y, "place": (X[:, 0], X[:, 1].double())}
    ((x, y),) = Split(X, targets).batches(12)
    assert torch.equal(y["label"], Y) and y["place"][1].dtype == torch.float32 and len(x) == 12
    with pytest.raises(BadData, match="12 samples and 3 and 12 labels"):
        Split(X, {"a": Y, "b": Y[:3]})

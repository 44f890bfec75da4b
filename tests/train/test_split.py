"""Splits: every form gives the same batches, arrays on disk stay there, targets keep their form."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

from hwcost.errors import BadData
from hwcost.train.data import Data
from hwcost.train.split import Asked, Split

X = torch.arange(24.0).reshape(12, 2)
Y = torch.arange(12) % 3


class _Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return cycle(zip(X, Y, strict=True))


class _Stream(_Endless):
    def __len__(self) -> int:
        return len(X)


def _forms() -> list[Any]:
    pairs = TensorDataset(X, Y)
    return [
        Split(X, Y), (X.numpy(), Y.numpy()), (X.double(), Y), (X.to(torch.uint8), Y), pairs,
        DataLoader(pairs, batch_size=5, shuffle=True), _Stream(),
    ]  # fmt: skip


def test_a_stream_that_may_have_no_end_is_not_read() -> None:
    with pytest.raises(BadData, match="_Endless has no length; give it __len__"):
        Split.of(_Endless())


def test_a_split_is_shown_in_one_line() -> None:
    assert repr(Split(X, Y)) == "Split(12 samples of (2,))"
    assert repr(Split.of(_Stream())) == "Asked(12 samples of (2,))"
    data = Data(name="d", train=(X, Y), validation=(X[:3], Y[:3]), test=_Stream())
    assert repr(data) == "Data('d', train=12, validation=3, test=12, samples=(2,), classes=None)"


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


def test_inputs_may_be_tuples_and_dicts() -> None:
    whole = {"a": X, "b": X[:, 0].double().numpy()}
    split = Split(whole, Y)
    assert len(split) == 12 and split.example["b"].dtype == torch.float32
    x, _ = split.take(torch.tensor([3, 1]))
    assert torch.equal(x["a"], X[[3, 1]]) and torch.equal(x["b"], X[[3, 1], 0])
    assert split.digest() != Split({"a": X + 1, "b": whole["b"]}, Y).digest()
    with pytest.raises(BadData, match="3 and 12 samples and 12 labels"):
        Split((X, X[:3]), Y)


class _Add(torch.nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left - right


@pytest.mark.parametrize("kind", [">f4", ">i2", "<u2", "longdouble", "bool", "half"])
def test_any_kind_of_number_is_read(kind: str) -> None:
    given = X.numpy().astype(kind)
    expected = X.bool().float() if kind == "bool" else X
    assert torch.equal(Split(given, Y).take(slice(None))[0], expected)  # type: ignore[arg-type]
    assert torch.equal(Split(given[::-1], Y).take(slice(None))[0], expected.flip(0))  # type: ignore[arg-type]


def test_a_file_of_wide_integers_stays_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.numpy().astype(np.uint16))
    np.save(tmp_path / "y.npy", Y.numpy().astype(np.uint16))
    files = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy")
    split = Split(*files)  # type: ignore[arg-type]
    assert split.mapped and split.x.dtype == torch.uint16
    x, y = split.take(torch.tensor([3, 1]))
    assert torch.equal(x, X[[3, 1]]) and torch.equal(y, Y[[3, 1]]) and y.dtype == torch.int64
    some = split.some(torch.tensor([5, 2, 0]))
    assert isinstance(some, Asked) and torch.equal(some.take(slice(1, 3))[0], X[[2, 0]])
    np.save(tmp_path / "z.npy", X.numpy().astype(">f4"))
    with pytest.raises(BadData, match="a file holds >f4 values, in the byte order of other machines"):
        Split(np.load(tmp_path / "z.npy", mmap_mode="r"), Y)  # type: ignore[arg-type]


class _Odd(Dataset[Any]):
    """Sample 7 has another shape; sample 9 cannot be read."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, at: int) -> Any:
        if at == 9:
            raise OSError("no such picture")
        return {"a": X[at, : 1 + (at != 7)]}, int(Y[at])


def test_a_sample_of_another_form_or_out_of_reach_is_named() -> None:
    split = Split.of(_Odd())
    assert torch.equal(split.take(slice(0, 6))[0]["a"], X[:6])
    with pytest.raises(BadData, match=r"sample 7 is \(\{a: \(1,\)\}, int\), sample 4 \(\{a: \(2,\)\}, int\); give all"):
        split.take(slice(4, 9))
    with pytest.raises(
        BadData, match=r"sample 9 cannot be read \(OSError: no such picture\); mend it, or leave it out"
    ):
        split.take(torch.tensor([2, 9]))
    with pytest.raises(BadData, match=r"sample 0 is \(_Add, int\), which is no batch"):
        Split.of(_Modules()).take(slice(0, 2))


class _Modules(Dataset[Any]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, at: int) -> Any:
        return _Add(), at


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"sampler": WeightedRandomSampler([1.0] * 12, 12)}, "the WeightedRandomSampler of a DataLoader would be lost"),
        ({"collate_fn": lambda samples: samples}, "the collate_fn of a DataLoader would be lost"),
    ],
)
def test_what_a_loader_does_besides_its_order_is_not_dropped_in_silence(options: dict[str, Any], part: str) -> None:
    with pytest.raises(BadData, match=part):
        Split.of(DataLoader(TensorDataset(X, Y), batch_size=4, **options))

"""Data as people have them, read in batches; labels fit the classes before anything is trained on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_recipe import made
from torch.utils.data import Dataset, TensorDataset

from hwcost.errors import BadData
from hwcost.train.data import Data, Split
from hwcost.train.split import Asked


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("label", [3, -1, 1.5])
def test_labels_out_of_range_are_refused(split: str, label: float) -> None:
    data = made(None)
    whole = getattr(data, split)
    labels = whole.y.to(torch.float32) if isinstance(label, float) else whole.y.clone()
    labels[2] = label
    with pytest.raises(BadData, match=rf"made: {split} has labels .* from 0 to 2"):
        replace(data, **{split: Split(whole.x, labels)})


def test_fewer_classes_than_labels_are_refused() -> None:
    with pytest.raises(BadData, match="from 0 to 1, one for each of 2 classes"):
        replace(made(None), classes=2)


X = torch.arange(24.0).reshape(12, 2)
Y = torch.arange(12) % 3


class _Endless(Dataset[Any]):
    def __getitem__(self, at: int) -> Any:
        return X[at], Y[at]


@pytest.mark.parametrize(
    ("given", "part"),
    [(_Endless(), "no length"), ([X], "list; give a hwcost.Split"), (TensorDataset(X), "tuple for sample 0; give"),
     ((np.array(["a"]), np.array([0])), "<U1 values; give numbers"), ((X, Y[:4]), "12 samples and 4 labels")],
)  # fmt: skip
def test_what_holds_no_samples_is_refused(given: Any, part: str) -> None:
    with pytest.raises(BadData, match=f"mine: train: .*{part}"):
        Data(name="mine", train=given, validation=Split(X, Y), test=Split(X, Y))


def test_the_fingerprint_is_that_of_every_value() -> None:
    one, same, other = (Data(name="n", train=Split(x, Y), validation=Split(X, Y), test=Split(X, Y)) for x in
                        (X, X.clone(), X + torch.eye(12, 2)))  # fmt: skip
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize("form", [0, 4])
def test_targets_that_are_no_labels_all_train_in_the_end(form: int) -> None:
    """2,001 of 2,500 samples trained: those whose number did not occur in the training split were left out."""
    numbers = torch.arange(12.0) / 7
    whole: Any = Split(X, numbers) if form == 0 else TensorDataset(X, numbers)
    part: Any = Split(X[:4] + 50, numbers[:4] + 9) if form == 0 else TensorDataset(X[:4] + 50, numbers[:4] + 9)
    more = Data(name="n", train=whole, validation=part, test=part).all_but_test().train
    x, y = more.take(torch.tensor([13, 0, 12]))
    assert len(more) == 16
    assert torch.equal(x, torch.stack([X[1] + 50, X[0], X[0] + 50]))
    torch.testing.assert_close(y, torch.stack([numbers[1] + 9, numbers[0], numbers[0] + 9]))


def test_maps_of_labels_all_train_in_the_end() -> None:
    maps = torch.arange(48).reshape(12, 2, 2) % 5
    data = Data(name="n", train=Split(X, maps), validation=Split(X[:5], maps[:5]), test=Split(X, maps), classes=5)
    assert len(data.all_but_test().train) == 17


def test_validation_samples_that_are_those_of_the_test_are_noticed() -> None:
    parts = {"train": (X, Y), "validation": (X[:6], Y[:6])}
    for test, same in (((X[:6].clone(), Y[:6]), True), ((X[6:], Y[6:]), False), ((X[:6], Y[6:] + 1), False)):
        assert Data(name="n", test=test, **parts).validation_is_test is same  # type: ignore[arg-type]


class _Random(Dataset[Any]):
    def __len__(self) -> int:
        return 12

    def __getitem__(self, at: int) -> Any:
        return X[at] + torch.rand(2), Y[at]


def test_samples_that_differ_from_reading_to_reading_need_a_fingerprint() -> None:
    given: dict[str, Any] = {"name": "n", "train": _Random(), "validation": (X, Y), "test": (X, Y)}
    with pytest.raises(
        BadData, match="n: train: sample 0 differs between two readings; move what is random into augment="
    ):
        Data(**given)
    assert len(Data(**given, fingerprint="mine").train) == 12


def test_training_batches_are_weighted_and_augmented() -> None:
    weights = torch.tensor([1.0] * 11 + [22.0])
    data = Data(
        name="n",
        train=(X, Y),
        validation=(X[:3], Y[:3]),
        test=(X, Y),
        weights=weights,
        augment=lambda x: x + 100,  # type: ignore[arg-type]
    )
    draw = torch.Generator().manual_seed(0)
    seen = torch.cat([x[:, 0] - 100 for _ in range(300) for x, _ in data.batches(5, shuffle=draw)])
    shares = torch.stack([(seen == value).double().mean() for value in X[:, 0]])
    torch.testing.assert_close(shares, weights.double() / 33, atol=0.015, rtol=0)
    plain = Data(name="n", train=(X, Y), validation=(X, Y), test=(X, Y))  # type: ignore[arg-type]
    every = torch.cat([x[:, 0] for x, _ in plain.batches(5, shuffle=draw)])
    assert sorted(every.tolist()) == X[:, 0].tolist()


def test_weights_join_fingerprint_and_refit() -> None:
    given: dict[str, Any] = {"name": "n", "train": (X, Y), "validation": (X[:3], Y[:3]), "test": (X, Y)}
    one = Data(**given, weights=torch.arange(1.0, 13.0))
    assert one.fingerprint != Data(**given).fingerprint
    more = one.all_but_test()
    assert more.weights is not None and more.weights.tolist() == [*range(1, 13), 6.5, 6.5, 6.5]
    for wrong in (torch.ones(11), torch.zeros(12), torch.full((12,), torch.nan)):
        with pytest.raises(BadData, match="n: weights: give 12 finite numbers above 0"):
            Data(**given, weights=wrong)


def _all(count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(float(count))[:, None], (torch.arange(count) % 10 < 3).long()


class _Listed(Dataset[Any]):
    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, at: int) -> Any:
        return self.x[at], self.y[at]


@pytest.mark.parametrize("form", ["tensors", "dataset", "file"])
def test_samples_are_split_by_label_or_by_group(form: str, tmp_path: Path) -> None:
    x, y = _all()
    samples: Any = (x, y) if form == "tensors" else _Listed(x, y)
    if form == "file":
        np.save(tmp_path / "x.npy", x.numpy())
        samples = (np.load(tmp_path / "x.npy", mmap_mode="r"), y)
    data = Data.from_samples(samples, name="s", classes=2)
    splits = data.train, data.validation, data.test
    assert [len(split) for split in splits] == [120, 40, 40]
    assert (
        sorted(torch.cat([split.take(slice(None))[0] for split in splits]).flatten().tolist()) == x.flatten().tolist()
    )
    for split in splits:  # 30 % of the labels are 1, in each
        assert split.take(slice(None))[1].double().mean() == pytest.approx(0.3)
    assert isinstance(data.train, Asked) == (form != "tensors")
    groups = (torch.arange(200) // 10).tolist()
    for given in (groups, torch.tensor(groups), [f"machine {group}" for group in groups]):
        grouped = Data.from_samples(samples, name="s", groups=given, seed=3)
        parts = [
            set((split.take(slice(None))[0].flatten().long() // 10).tolist())
            for split in (grouped.train, grouped.validation, grouped.test)
        ]
        assert sum(map(len, parts)) == 20 and all(parts)
    with pytest.raises(BadData, match="s: 200 samples, but 20 groups; give one for each sample"):
        Data.from_samples(samples, name="s", groups=range(20))
    with pytest.raises(BadData, match=r"s: share=0\.6"):
        Data.from_samples(samples, name="s", share=0.6)


def test_a_file_is_not_loaded_to_train_on_the_validation_samples_too(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.numpy())
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    more = Data(name="n", train=(x[:8], Y[:8]), validation=(x[8:], Y[8:]), test=(X, Y)).all_but_test().train  # type: ignore[arg-type]
    assert isinstance(more, Asked)
    assert torch.equal(more.take(slice(None))[0], X) and torch.equal(more.take(slice(None))[1], Y)


def test_an_augmentation_that_changes_the_shape_is_refused() -> None:
    data = Data(name="n", train=(X, Y), validation=(X, Y), test=(X, Y), augment=lambda x: x[:, :1])  # type: ignore[arg-type]
    with pytest.raises(BadData, match=r"n: augment= gave \(1,\) for inputs of \(2,\)"):
        next(data.batches(4, shuffle=torch.Generator()))


def test_samples_of_another_shape_than_those_of_the_training_are_refused() -> None:
    with pytest.raises(BadData, match=r"n: a test sample is \(1,\), a training sample \(2,\); give all the same shape"):
        Data(name="n", train=(X, Y), validation=_Listed(X, Y), test=_Listed(X[:, :1], Y))  # type: ignore[arg-type]


def test_inputs_in_dicts_are_compared_refit_and_augmented() -> None:
    split = Split({"a": X, "b": -X}, {"kind": Y})
    data = Data(name="n", train=split, validation=split, test=Split({"a": X, "b": -X}, {"kind": Y}),
                augment=lambda x: {"a": x["a"] + 1, "b": x["b"]})  # fmt: skip
    assert data.validation_is_test and len(data.all_but_test().train) == 24
    ((x, y),) = data.batches(12, shuffle=torch.Generator().manual_seed(0))
    assert torch.equal(x["a"] - 1, -x["b"]) and torch.equal(Y[(x["a"][:, 0] / 2).long()], y["kind"])

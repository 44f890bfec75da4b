"""Samples from files: their names, splits, scale and shape, and what is refused, by file, array and value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from saved_arrays import IMAGES, idx_folder, saved

from hwcost import Data
from hwcost.errors import BadData

RANDOM = np.random.default_rng(1)
X, Y = RANDOM.normal(size=(40, 6)), np.arange(40) % 2


def test_a_file_without_splits_is_divided_by_label(tmp_path: Path) -> None:
    data = Data.from_files(saved(tmp_path / "all.npz", {"x": X, "y": Y}))
    assert (len(data.train), len(data.validation), len(data.test), data.classes) == (24, 8, 8, 2)
    assert int(data.validation.y.sum()) == 4 and data.name == "all"
    rows = torch.cat([data.train.x, data.validation.x, data.test.x])
    assert torch.equal(rows.sort(0).values, torch.from_numpy(X).float().sort(0).values)
    numbers = Data.from_files(saved(tmp_path / "numbers.npz", {"features": X, "targets": X[:, :2]}))
    assert numbers.classes is None and numbers.train.y.shape == (24, 2)


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("trainX", "trainY", "testX", "testY"),
     ("train_images", "train_labels", "test_images", "test_labels")],
)  # fmt: skip
def test_a_split_that_the_file_has_stays_as_it_is(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = (X[:30], Y[:30], X[30:], Y[30:])
    data = Data.from_files(saved(tmp_path / "d.npz", dict(zip(names, arrays, strict=True))))
    assert torch.equal(data.test.x, torch.from_numpy(X[30:]).float())
    assert (len(data.train), len(data.validation)) == (24, 6)


def test_folders_of_arrays_of_idx_files_and_of_images(tmp_path: Path) -> None:
    for name, array in (("x_train", X[:30]), ("y_train", Y[:30]), ("x_val", X[30:]), ("y_val", Y[30:])):
        np.save(tmp_path / f"{name}.npy", array)
    data = Data.from_files(tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 10, 6)
    (tmp_path / "idx").mkdir()
    mnist = Data.from_files(idx_folder(tmp_path / "idx"), shape=(1, 5, 4))
    assert torch.equal(mnist.test.x[:, 0] * 256, torch.from_numpy(IMAGES["X_test"]).float())
    for label in "ab":
        (tmp_path / "images" / label).mkdir(parents=True)
        for at in range(10):
            Image.new("RGB", (8, 6), (at, 0, 255)).save(tmp_path / "images" / label / f"{at}.png")
    pictures = Data.from_files(tmp_path / "images")
    assert pictures.train.example.shape == (1, 3, 6, 8) and pictures.classes == 2
    assert float(pictures.train.x[:, 2].min()) == 255 / 256
    assert Data.from_files(tmp_path / "images", shape=(1, 4, 4)).train.example.shape == (1, 1, 4, 4)


def test_bytes_and_whole_numbers_are_divided_by_a_power_of_two(tmp_path: Path) -> None:
    whole = RANDOM.integers(0, 17, (40, 8, 8, 3))
    data = Data.from_files(saved(tmp_path / "d.npz", {"x": whole, "y": Y}), shape=(3, 8, 8))
    assert data.train.example.shape == (1, 3, 8, 8)  # the channels come first
    assert float(data.train.x.max()) == 0.5
    as_bytes = Data.from_files(saved(tmp_path / "b.npz", {"x": whole.astype(np.uint8).reshape(40, -1), "y": Y}))
    assert float(as_bytes.train.x.max()) == 16 / 256 and as_bytes.train.example.shape == (1, 192)
    assert Data.from_files(tmp_path / "b.npz", shape=(3, 8, 8)).train.example.shape == (1, 3, 8, 8)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": Y}, r"d\.npz: no array with the samples of y; it has y; name them x and y"),
        ({"x": X}, r"d\.npz: no array with the targets of x; it has x"),
        ({"foo": X}, r"d\.npz: no array with samples to train on; it has foo"),
        ({"x_test": X, "y_test": Y}, r"no array with samples to train on"),
        ({"x": X, "y": Y, "x_test": X, "y_test": Y}, r"x besides x_test: of which split is it\?"),
        ({"x": X, "images": X, "y": Y}, r"x and images: which is it\? Remove one"),
        ({"x": X[:7], "y": Y}, r"d\.npz: x: 7 samples, but 40 targets in d\.npz: y; give as many"),
        ({"x": np.where(X > 2, np.inf, X), "y": Y}, r"d\.npz: x holds inf in sample \d+; drop such samples"),
        ({"x": X.astype(complex), "y": Y}, r"d\.npz: x is complex128 of shape \(40, 6\); give real numbers"),
        ({"x": X[:0], "y": Y[:0]}, r"d\.npz: x is float64 of shape \(0, 6\)"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :5], "y_test": Y}, r"x_test: samples of shape \(5,\), but of"),
        ({"x": X, "y": np.array([{}] * 40, dtype=object)}, r"y cannot be read .*it holds Python objects: save numbers"),
        ({"x": X[:4], "y": np.array([0, 1, 1, 0])}, r"d\.npz: cannot be split .*give more rows"),
    ],
    ids=range(13),
)  # fmt: skip
def test_bad_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrays: dict[str, np.ndarray], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadData, match=said):
        Data.from_files(saved(Path("d.npz"), arrays))


def test_shapes_and_places_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"nowhere: no such file or folder; give an npz file, or a folder of samples"):
        Data.from_files(tmp_path / "nowhere")
    file = saved(tmp_path / "d.npz", {"x": X.reshape(40, 2, 3), "y": Y})
    with pytest.raises(
        BadData, match=r"d\.npz: x has samples of shape \(2, 3\), not \(2, 4\); give that shape \(--inp"
    ):
        Data.from_files(file, shape=(2, 4))
    np.save(tmp_path / "one.npy", X)
    with pytest.raises(BadData, match=r"one\.npy: a single array, no npz file; save inputs and targets with np\.savez"):
        Data.from_files(tmp_path / "one.npy")
    for label, size in (("a", (8, 6)), ("b", (8, 5))):
        (tmp_path / "images" / label).mkdir(parents=True)
        Image.new("RGB", size).save(tmp_path / "images" / label / "0.png")
    with pytest.raises(BadData, match=r"b/0\.png: an image of \(5, 8\) pixels, but 0\.png has \(6, 8\); give the size"):
        Data.from_files(tmp_path / "images")
    with pytest.raises(BadData, match=r"images are \(1 or 3, height, width\), not \(6, 8\); give such a shape"):
        Data.from_files(tmp_path / "images", shape=(6, 8))

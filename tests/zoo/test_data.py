"""Tiny files, made here; the real sets only where an environment variable names their folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from saved_arrays import ENOUGH, IMAGES, RANDOM, idx_folder, saved
from sklearn.datasets import load_digits

from hwcost.errors import BadData, BadOption
from hwcost.train.data import Data
from hwcost.zoo.data import digits, images, table

TABLE = IMAGES | {
    "X_train": RANDOM.normal(5, 2, (ENOUGH, 16)).astype(np.float32),
    "X_test": RANDOM.normal(5, 2, (9, 16)).astype(np.float32),
}


def rows(x: torch.Tensor) -> list[tuple[float, ...]]:
    return sorted(tuple(row.tolist()) for row in x.flatten(1))


def check_contract(data: Data, classes: int) -> None:
    assert data.classes == classes
    for split in (data.train, data.validation, data.test):
        assert split.x.dtype == torch.float32
        assert split.y.dtype == torch.int64
        assert split.x.is_contiguous()
        assert set(split.y.tolist()) == set(range(classes))


def test_digits() -> None:
    data = digits()
    check_contract(data, 10)
    pixels, labels = load_digits(return_X_y=True)
    everything = torch.cat([data.train.x, data.validation.x, data.test.x])
    assert everything.shape == (1797, 1, 8, 8)
    assert rows(everything * 16) == sorted(map(tuple, pixels.tolist()))  # each image once, each value exact
    for split, share in ((data.train, 0.6), (data.validation, 0.2), (data.test, 0.2)):
        for label in range(10):
            assert abs(int((split.y == label).sum()) - share * int((labels == label).sum())) <= 1
    pairs = {tuple(row): int(label) for row, label in zip(pixels.tolist(), labels, strict=True)}
    assert [pairs[tuple(row)] for row in (data.test.x.flatten(1) * 16).tolist()] == data.test.y.tolist()


def test_splits_follow_the_seed() -> None:
    assert digits(seed=3).fingerprint == digits(seed=3).fingerprint
    assert torch.equal(digits(seed=3).train.x, digits(seed=3).train.x)
    assert digits(seed=3).fingerprint != digits(seed=4).fingerprint
    assert len(digits().fingerprint) == 16


def test_images_from_npz(tmp_path: Path) -> None:
    path = saved(tmp_path / "small.npz", IMAGES)
    data = images(path, validation=0.25)
    check_contract(data, 3)
    assert data.name == "small"
    assert (len(data.train), len(data.validation), len(data.test)) == (45, 15, 9)
    assert data.validation.y.bincount().tolist() == [5, 5, 5]
    assert torch.equal(data.test.x * 256, torch.from_numpy(IMAGES["X_test"])[:, None].float())  # official, untouched
    official = rows(torch.from_numpy(IMAGES["X_train"]).float() / 256)
    assert rows(torch.cat([data.train.x, data.validation.x])) == official
    again = images(tmp_path, validation=0.25)  # a folder with one npz file
    assert again.fingerprint == data.fingerprint
    assert images(path, validation=0.25, seed=1).fingerprint != data.fingerprint
    assert torch.equal(images(path, validation=0.25, seed=1).test.x, data.test.x)
    pairs = dict(zip(map(bytes, IMAGES["X_train"]), IMAGES["y_train"].tolist(), strict=True))
    found = [pairs[bytes(x)] for x in (data.validation.x[:, 0] * 256).to(torch.uint8).numpy()]
    assert found == data.validation.y.tolist()


def test_one_pixel_changes_the_fingerprint(tmp_path: Path) -> None:
    changed = IMAGES["X_test"].copy()
    changed[8, 4, 3] ^= 1
    first = images(saved(tmp_path / "a.npz", IMAGES))
    assert images(saved(tmp_path / "b.npz", IMAGES, X_test=changed)).fingerprint != first.fingerprint


@pytest.mark.parametrize("gz", [False, True])
def test_images_from_idx(tmp_path: Path, gz: bool) -> None:
    (tmp_path / "idx").mkdir()
    expected = images(saved(tmp_path / "small.npz", IMAGES))
    assert images(idx_folder(tmp_path / "idx", gz=gz)).fingerprint == expected.fingerprint


def test_images_with_channels(tmp_path: Path) -> None:
    colour = {name: np.stack([IMAGES[name]] * 3, axis=1) for name in ("X_train", "X_test")}
    assert images(saved(tmp_path / "c.npz", IMAGES | colour)).train.x.shape[1:] == (3, 5, 4)


def test_floating_table_is_standardised_by_training_alone(tmp_path: Path) -> None:
    constant = TABLE["X_train"].copy()
    constant[:, 3] = 7
    data = table(saved(tmp_path / "t.npz", TABLE, X_train=constant))
    check_contract(data, 3)
    torch.testing.assert_close(data.train.x.mean(0), torch.zeros(16), atol=1e-5, rtol=0)
    expected = torch.ones(16)
    expected[3] = 0
    torch.testing.assert_close(data.train.x.std(0, correction=0), expected, atol=1e-5, rtol=0)
    shifted = table(saved(tmp_path / "s.npz", TABLE, X_train=constant, X_test=TABLE["X_test"] + 100))
    assert torch.equal(shifted.train.x, data.train.x)


@pytest.mark.parametrize(("largest", "scale"), [(15, 16), (16, 32), (1, 2), (0, 1), (255, 256)])
def test_whole_table_stays_exact(tmp_path: Path, largest: int, scale: int) -> None:
    x = RANDOM.integers(0, largest + 1, (ENOUGH, 16), dtype=np.uint8)
    x[0, 0] = largest
    data = table(saved(tmp_path / "t.npz", TABLE, X_train=x, X_test=x[:9]))
    assert torch.equal(data.test.x * scale, torch.from_numpy(x[:9]).float())


NOT_A_NUMBER = TABLE["X_test"].copy()
NOT_A_NUMBER[4, 2] = np.nan


@pytest.mark.parametrize(
    ("load", "arrays", "changes", "part"),
    [
        (images, IMAGES, {"y_test": None}, "y_test missing; it has X_train, y_train, X_test"),
        (images, IMAGES, {"X_train": IMAGES["X_train"][0]}, r"X_train is uint8 of shape \(5, 4\)"),
        (images, IMAGES, {"X_train": IMAGES["X_train"].astype(float)}, "X_train is float64"),
        (images, IMAGES, {"X_test": IMAGES["X_test"][:, :4]}, r"\(1, 5, 4\) in X_train, \(1, 4, 4\) in X_test"),
        (images, IMAGES, {"X_test": IMAGES["X_test"][:0], "y_test": IMAGES["y_test"][:0]}, "at least 1"),
        (images, IMAGES, {"y_train": IMAGES["y_train"][1:]}, "59 labels in y_train for 60 samples"),
        (images, IMAGES, {"y_test": IMAGES["y_test"][:, None]}, r"y_test is uint8 of shape \(9, 1\)"),
        (images, IMAGES, {"y_train": IMAGES["y_train"] / 2}, "y_train is float64"),
        (images, IMAGES, {"y_train": IMAGES["y_train"].astype(int) - 1}, "y_train has label -1"),
        (images, IMAGES, {"y_train": IMAGES["y_train"] + 1}, "labels up to 3 with gaps"),
        (images, IMAGES, {"y_train": IMAGES["y_train"].astype(np.int64) * 10**12}, "with gaps"),
        (images, IMAGES, {"y_test": IMAGES["y_test"] + 1}, "y_test has label 3, but y_train only 0 to 2"),
        (images, IMAGES, {"y_train": np.where(np.arange(ENOUGH) == 5, 3, IMAGES["y_train"])}, "class 3 has a single"),
        (table, TABLE, {"X_test": NOT_A_NUMBER}, "X_test has nan in row 4, feature 2"),
        (table, TABLE, {"X_train": IMAGES["X_train"]}, r"X_train is uint8 of shape \(60, 5, 4\)"),
        (table, TABLE, {"X_train": TABLE["X_train"].astype(str)}, "X_train is <U"),
        (table, TABLE, {"X_test": TABLE["X_test"][:, :15]}, r"\(16,\) in X_train, \(15,\) in X_test"),
    ],
)
def test_bad_arrays(
    tmp_path: Path, load: Callable[[Path], Data], arrays: dict[str, Any], changes: dict[str, Any], part: str
) -> None:
    with pytest.raises(BadData, match=part) as raised:
        load(saved(tmp_path / "bad.npz", arrays, **changes))
    assert str(raised.value).startswith(f"{tmp_path / 'bad.npz'}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("validation", [0, 1, -0.1, float("nan")])
def test_bad_share(tmp_path: Path, validation: float) -> None:
    with pytest.raises(BadOption, match="above 0 and below 1"):
        images(saved(tmp_path / "a.npz", IMAGES), validation=validation)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_bad_seed(seed: Any) -> None:
    with pytest.raises(BadOption, match="seed"):
        digits(seed=seed)


SETS = os.environ.get("HWCOST_SETS")


@pytest.mark.slow
@pytest.mark.skipif(SETS is None, reason="HWCOST_SETS names no folder with fashion_mnist.npz, letter.npz, dry_bean.npz")
@pytest.mark.parametrize(
    ("load", "file", "shape", "classes"),
    [
        (images, "fashion_mnist.npz", (50000, 1, 28, 28), 10),
        (table, "letter.npz", (13333, 16), 26),
        (table, "dry_bean.npz", (9075, 16), 7),
    ],
)
def test_real_sets(load: Callable[[Path], Data], file: str, shape: tuple[int, ...], classes: int) -> None:
    data = load(Path(str(SETS)) / file)
    check_contract(data, classes)
    assert abs(len(data.train) - shape[0]) <= classes
    assert tuple(data.train.x.shape[1:]) == shape[1:]

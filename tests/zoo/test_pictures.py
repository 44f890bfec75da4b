"""CIFAR-10 batches and folders of images: what is read, what is kept apart, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hwcost.errors import BadData
from hwcost.zoo.data import spectrograms
from hwcost.zoo.pictures import cifar10, image_folder

RANDOM = np.random.default_rng(0)


def batch(each: int) -> tuple[np.ndarray, np.ndarray]:
    return (
        RANDOM.integers(0, 256, (10 * each, 3072), dtype=np.uint8),
        np.tile(np.arange(10), each),
    )


@pytest.fixture
def python_version(tmp_path: Path) -> Path:
    for name, each in (("data_batch_1", 4), ("data_batch_2", 3), ("test_batch", 2)):
        pixels, labels = batch(each)
        with (tmp_path / name).open("wb") as file:
            pickle.dump({b"data": pixels, b"labels": labels.tolist(), b"batch_label": b"made"}, file, protocol=2)
    return tmp_path


def test_python_batches(python_version: Path) -> None:
    data = cifar10(python_version, validation=0.2)
    assert (len(data.train), len(data.validation), len(data.test), data.classes) == (60, 10, 20, 10)
    assert data.train.x.shape[1:] == (3, 32, 32)
    with (python_version / "test_batch").open("rb") as file:
        first = pickle.load(file)[b"data"][0]
    assert torch.equal(data.test.x[0] * 256, torch.from_numpy(first.reshape(3, 32, 32)).float())


def test_binary_batches_are_the_same(python_version: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("binary")
    for path in python_version.iterdir():
        with path.open("rb") as file:
            found = pickle.load(file)
        rows = np.concatenate([np.array(found[b"labels"], dtype=np.uint8)[:, None], found[b"data"]], axis=1)
        (other / f"{path.name}.bin").write_bytes(rows.tobytes())
    python, binary = cifar10(python_version), cifar10(other)
    assert torch.equal(python.train.x, binary.train.x) and torch.equal(python.test.y, binary.test.y)


class _Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (Path("harm"),)


def test_foreign_and_harmful_files_are_refused(python_version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(python_version)
    broken = python_version / "data_batch_1"
    for content in (pickle.dumps(_Harm()), b"", pickle.dumps({b"data": 1}), pickle.dumps([1])):
        broken.write_bytes(content)
        with pytest.raises(BadData, match="data_batch_1: not a CIFAR batch"):
            cifar10(python_version)
    assert not Path("harm").exists()
    broken.write_bytes(pickle.dumps({b"data": np.zeros((2, 5), np.uint8), b"labels": [0, 1]}, protocol=2))
    with pytest.raises(BadData, match="for 2 labels"):
        cifar10(python_version)
    broken.unlink()
    (python_version / "data_batch_1.bin").write_bytes(b"123")
    with pytest.raises(BadData, match="truncated"):
        cifar10(python_version)
    with pytest.raises(BadData, match="name the folder"):
        cifar10(python_version / "nowhere")


def pictures(folder: Path, names: tuple[str, ...], each: int, *, size: tuple[int, int] = (20, 12)) -> Path:
    for shade, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            Image.new("RGB", size, (40 * shade, number, 255)).save(folder / name / f"{number}.png")
    return folder


def test_a_folder_with_its_own_test_split(tmp_path: Path) -> None:
    pictures(tmp_path / "train", ("cat", "dog"), 6)
    pictures(tmp_path / "val", ("cat", "dog"), 2)
    data = image_folder(tmp_path, size=8, classes=1000, validation=1 / 3)
    assert (len(data.train), len(data.validation), len(data.test), data.classes) == (8, 4, 4, 1000)
    assert data.train.x.shape == (8, 3, 8, 8)
    assert torch.equal(data.test.x[0, :, 0, 0] * 256, torch.tensor([0.0, 0.0, 255.0]))
    assert data.test.y.tolist() == [0, 0, 1, 1]


def test_a_folder_of_classes_is_divided(tmp_path: Path) -> None:
    data = image_folder(pictures(tmp_path, ("a", "b", "c"), 12), size=4)
    assert (len(data.train), len(data.validation), len(data.test), data.classes) == (24, 6, 6, 3)
    again = image_folder(tmp_path, size=4)
    assert data.fingerprint == again.fingerprint
    seen = {bytes(x.numpy().tobytes()) for part in (data.train, data.validation, data.test) for x in part.x}
    assert len(seen) == 36


def test_folders_that_hold_no_data_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no such folder"):
        image_folder(tmp_path / "nowhere", size=8)
    pictures(tmp_path / "train", ("cat", "dog"), 4)
    with pytest.raises(BadData, match="at least 2"):
        image_folder(tmp_path, size=8)
    pictures(tmp_path / "test", ("cat", "cow"), 2)
    with pytest.raises(BadData, match="class 'cow' is not in train"):
        image_folder(tmp_path, size=8)
    with pytest.raises(BadData, match="more than 8; give fewer"):
        image_folder(tmp_path / "train", size=40_000)
    with pytest.raises(BadData, match="2 classes, but the network has 1 scores"):
        image_folder(tmp_path / "train", size=8, classes=1)
    (tmp_path / "train" / "cat" / "0.png").write_text("no image")
    with pytest.raises(BadData, match="no readable image"):
        image_folder(tmp_path / "train", size=8)
    for path in (tmp_path / "train").rglob("*.png"):
        path.unlink()
    with pytest.raises(BadData, match="no samples in its sub-folders"):
        image_folder(tmp_path / "train", size=8)


def test_spectra_are_standardised_by_training_alone(tmp_path: Path) -> None:
    x, y = RANDOM.normal(3, 5, (40, 6, 4)).astype(np.float16), np.tile(np.arange(4), 10)
    np.savez(tmp_path / "sounds.npz", X_train=x, y_train=y, X_test=x[:8], y_test=y[:8])
    data = spectrograms(tmp_path / "sounds.npz")
    assert data.train.x.shape == (32, 1, 6, 4)
    torch.testing.assert_close(data.train.x.mean(0), torch.zeros(1, 6, 4), atol=1e-5, rtol=0)
    np.savez(tmp_path / "sounds.npz", X_train=x[:, 0], y_train=y, X_test=x[:8, 0], y_test=y[:8])
    with pytest.raises(BadData, match="give finite floats"):
        spectrograms(tmp_path / "sounds.npz")

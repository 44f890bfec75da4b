"""Folders with a sub-folder per class: images of one size or of several, npy files, splits, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwcost.errors import BadData
from hwcost.train.class_folders import IMAGES, NUMBERS, check_memory, class_files, loaded, own_shape

RANDOM = np.random.default_rng(0)


def picture(path: Path, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    depth = () if mode == "L" else (3,)
    Image.fromarray(RANDOM.integers(0, 256, (*size, *depth), dtype=np.uint8)).save(path)
    return path


def test_classes_are_numbered_by_name_and_splits_are_found(tmp_path: Path) -> None:
    for name in ("b", "a"):
        picture(tmp_path / name / "1.png")
    files, names = class_files(tmp_path, IMAGES)
    assert names == ["a", "b"] and [label for _, label in files["train"]] == [0, 1] and set(files) == {"train"}
    for split in ("train", "val", "test"):
        for name in ("b", "a"):
            picture(tmp_path / "whole" / split / name / "1.png")
    assert set(class_files(tmp_path / "whole", IMAGES)[0]) == {"train", "validation", "test"}


def test_images_are_cropped_and_grey_where_one_channel_is_asked_for(tmp_path: Path) -> None:
    path = picture(tmp_path / "1.png")
    assert own_shape(path) == (3, 6, 4) and own_shape(picture(tmp_path / "2.png", mode="L")) == (1, 6, 4)
    x, y = loaded([(path, 1)], (3, 6, 4))
    assert x.dtype == np.uint8 and y.tolist() == [1]
    assert (x[0].transpose(1, 2, 0) == np.asarray(Image.open(path))).all()
    assert loaded([(path, 0)], (1, 4, 4))[0].shape == (1, 1, 4, 4)


def test_arrays_are_samples(tmp_path: Path) -> None:
    for name, value in (("a", 0.5), ("b", 1.5)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "1.npy", np.full((2, 3), value))
    files, _ = class_files(tmp_path, NUMBERS)
    x, y = loaded(files["train"], own_shape(files["train"][0][0]))
    assert x.tolist() == [[[0.5] * 3] * 2, [[1.5] * 3] * 2] and y.tolist() == [0, 1]
    np.save(tmp_path / "b" / "2.npy", np.zeros((2, 4)))
    with pytest.raises(BadData, match=r"2\.npy: float64 of shape \(2, 4\), but .*1\.npy is float64 of \(2, 3\); save"):
        loaded(class_files(tmp_path, NUMBERS)[0]["train"], (2, 3))


def test_what_is_refused_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="nowhere: no such folder"):
        class_files(tmp_path / "nowhere", IMAGES)
    picture(tmp_path / "a" / "1.png")
    with pytest.raises(BadData, match="1 sub-folders; give one with a sub-folder per class, at least 2"):
        class_files(tmp_path, IMAGES)
    (tmp_path / "b").mkdir()
    with pytest.raises(BadData, match=r"b: no \.bmp, .* file; put some there, or remove the folder"):
        class_files(tmp_path, IMAGES)
    (tmp_path / "c.png").write_bytes(b"no image")
    for read in (own_shape, lambda path: loaded([(path, 0)], (3, 4, 4))):
        with pytest.raises(BadData, match=r"c\.png: no readable image"):
            read(tmp_path / "c.png")
    Image.fromarray(np.zeros((4, 4), dtype=np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(BadData, match=r"deep\.png: pixels of more than 8 bits .*; save them as an npy file"):
        loaded([(tmp_path / "deep.png", 0)], (1, 4, 4))
    with pytest.raises(BadData, match=r"its samples would take .* GiB, more than 8; give fewer"):
        check_memory(tmp_path, 2**20, (3, 224, 224))

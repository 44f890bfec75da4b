"""The four arrays of a data set: what is missing, broken or no such file is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from saved_arrays import ENOUGH, IMAGES, idx, idx_folder, saved

from hwcost.errors import BadData
from hwcost.train.array_files import ARRAYS, find_arrays
from hwcost.zoo.data import images, table


def test_missing_paths(tmp_path: Path) -> None:
    for load in (images, table):
        with pytest.raises(BadData, match="no such file or folder"):
            load(tmp_path / "nowhere")
        with pytest.raises(BadData, match="no npz file"):
            load(tmp_path)
    saved(tmp_path / "a.npz", IMAGES)
    saved(tmp_path / "b.npz", IMAGES)
    with pytest.raises(BadData, match=r"2 npz files \(a.npz, b.npz\)"):
        images(tmp_path)


def test_broken_npz(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.npz", IMAGES).read_bytes()
    path = tmp_path / "broken.npz"
    flipped = bytearray(whole)
    flipped[200] ^= 255  # inside the first array: its checksum is wrong
    for content in (b"", b"hello", whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(BadData, match=r"broken\.npz: .*read"):
            images(path)
    with path.open("wb") as file:
        np.save(file, IMAGES["X_train"])
    with pytest.raises(BadData, match="a single array"):
        images(path)
    with pytest.raises(BadData, match="y_train cannot be read"):  # pickles are never loaded
        images(saved(path, IMAGES, y_train=np.array([{}] * ENOUGH, dtype=object)))


def test_wrong_idx(tmp_path: Path) -> None:
    images_file = idx_folder(tmp_path) / "train-images-idx3-ubyte"
    whole = images_file.read_bytes()
    for content, part in (
        (whole[:-1], r"1199 bytes after a header of \[60, 5, 4\]"),
        (whole + b"\0", "1201 bytes"),
        (whole[:10], "truncated"),
        (b"", "magic number missing, not 00000803"),
        (idx(IMAGES["y_train"]), "magic number 00000801, not 00000803"),
        (b"\x00\x00\x0d" + whole[3:], "magic number 00000d03"),
    ):
        images_file.write_bytes(content)
        with pytest.raises(BadData, match=part) as raised:
            images(tmp_path)
        assert "train-images-idx3-ubyte: " in str(raised.value)
    images_file.unlink()
    with pytest.raises(BadData, match=r"train-images-idx3-ubyte missing \(\.gz"):
        images(tmp_path)
    packed = gzip.compress(whole)
    for content in (packed[:-20], packed[:30] + b"\xff" * 20 + packed[50:], b"hello"):
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
        with pytest.raises(BadData, match=r"train-images-idx3-ubyte\.gz: cannot be read"):
            images(tmp_path)


@pytest.mark.parametrize("gz", [False, True])
def test_idx_files_and_an_archive_hold_the_same(tmp_path: Path, gz: bool) -> None:
    (tmp_path / "idx").mkdir()
    folder, files = find_arrays(idx_folder(tmp_path / "idx", gz=gz))
    path, archive = find_arrays(saved(tmp_path / "set.npz", IMAGES))
    assert (folder, path) == (tmp_path / "idx", tmp_path / "set.npz")
    for name in ARRAYS:
        np.testing.assert_array_equal(files[name], IMAGES[name])
        np.testing.assert_array_equal(archive[name], IMAGES[name])
    assert find_arrays(tmp_path)[0] == tmp_path / "set.npz"  # the only archive of a folder

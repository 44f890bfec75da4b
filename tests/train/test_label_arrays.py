"""Targets of files: labels by number and by name, numbers to predict, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from hwcost.errors import BadData
from hwcost.train.label_arrays import targets_of


def test_whole_numbers_and_texts_are_labels_and_floats_are_numbers() -> None:
    column = np.array([[0], [1], [1], [0]], dtype=np.uint8)
    found, classes = targets_of({"train": (column, "f: y"), "test": (np.array([1]), "f: y_test")}, None)
    assert classes == 2 and found["train"].tolist() == [0, 1, 1, 0] and found["test"].dtype == np.int64
    names = np.array(["dog", "cat", "dog", "cat"])
    found, classes = targets_of({"train": (names, "f: y"), "test": (np.array(["dog"]), "f: y_test")}, None)
    assert classes == 2 and found["train"].tolist() == [1, 0, 1, 0] and found["test"].tolist() == [1]
    found, classes = targets_of({"train": (np.array([True, False, True, False]), "f: y")}, None)
    assert classes == 2 and found["train"].tolist() == [1, 0, 1, 0]
    found, classes = targets_of({"train": (np.linspace(0, 1, 4), "f: y")}, None)
    assert classes is None and found["train"].dtype == np.float32
    pixels = np.arange(2 * 3 * 3).reshape(2, 3, 3) % 2
    assert targets_of({"train": (pixels, "f: y")}, None)[1] == 2
    assert targets_of({"train": (np.array([0, 1, 3, 0]), "f: y")}, 5)[1] == 5


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.array([0, 1, 3] * 4), r"f: y has labels up to 3, but no 2; number the classes 0, 1, 2"),
        (np.array([-1, 0, 1, 0]), r"f: y has label -1; labels are 0, 1, 2"),
        (np.zeros(8, dtype=int), r"1 labels in 8 targets; give at least 2"),
        (np.arange(40), r"40 labels in 40 targets; .*save numbers to predict as floats"),
        (np.eye(4, dtype=int), r"int64 of shape \(4, 4\); .*of one-hot rows save y.argmax\(1\)"),
        (np.array([0.0, np.nan, 1.0]), r"f: y holds nan in sample 1; drop such samples"),
        (np.array([0j, 1j]), r"f: y is complex128; give whole numbers or texts for labels, floats"),
    ],
    ids=["gap", "negative", "one", "many", "one-hot", "nan", "complex"],
)
def test_what_is_wrong_is_named_with_its_remedy(y: np.ndarray, said: str) -> None:
    with pytest.raises(BadData, match=said):
        targets_of({"train": (y, "f: y")}, None)


def test_splits_that_do_not_agree() -> None:
    labels = np.array([0, 1] * 4)
    with pytest.raises(BadData, match=r"f: y_test has label 2 in sample 1; labels are 0 to 1, for 2 classes"):
        targets_of({"train": (labels, "f: y"), "test": (np.array([0, 2]), "f: y_test")}, None)
    with pytest.raises(BadData, match=r"f: y_test is float64, but f: y is int64; save both as one type"):
        targets_of({"train": (labels, "f: y"), "test": (np.array([0.0]), "f: y_test")}, None)
    with pytest.raises(BadData, match=r"f: y_test has label 'cow', which no training sample has"):
        targets_of({"train": (np.array(["a", "b"] * 3), "f: y"), "test": (np.array(["cow"]), "f: y_test")}, None)

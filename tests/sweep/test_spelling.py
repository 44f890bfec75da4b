"""Spelling of settings: what declares a field, plain values, and those of another form."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwcost.errors import BadOption
from hwcost.sweep.settings import Settings
from hwcost.sweep.spelling import Role, declared_by, read, spelled


def test_a_value_is_spelled_and_read_back() -> None:
    declared = declared_by(Settings)
    for name, value, plain in (
        ("bits", (2, 8), "2:8"),
        ("limits", {"LUT": 8000.0, "score": 0.25}, ["LUT=8000", "score=0.25"]),
        ("device", ("A", "B"), ["A", "B"]),
        ("device", "A", "A"),
        ("out", Path("x"), "x"),
        ("time", 3.5, 3.5),
        ("prune", True, True),
    ):
        assert spelled(value) == plain and read(name, declared[name], plain) == value
    assert (declared["clock_mhz"].flag, declared["clock_mhz"].role) == ("clock", Role.RESOLVED)
    assert declared["trials"].role is Role.CALL and declared["bits"].flag == "bits"


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({}, "out: missing"),
        ({"out": "x", "sed": 3}, "'sed': unknown; known are recipe, out"),
        ({"out": "x", "seed": "3"}, "seed = '3': give int"),
        ({"out": "x", "seed": True}, "seed = True: give int"),
        ({"out": "x", "fps": "fast"}, "fps = 'fast': give int or float"),
        ({"out": "x", "time": True}, "time = True: give int or float or str"),
        ({"out": "x", "watch": 1}, "watch = 1: give bool"),
        ({"out": "x", "device": []}, r"device \[\]: name a part"),
        ({"out": "x", "device": 7}, "device = 7: give str or list or tuple"),
        ({"out": 3}, "out = 3: give str"),
        ({"out": "x", "bits": [2, 8]}, r"bits = \[2, 8\]: give str"),
        ({"out": "x", "bits": "2:8", "limit": "LUT=3"}, "limit = 'LUT=3': give list"),
        ({"out": "x", "bits": "2:8", "limit": [3]}, r"limit = \[3\]"),
    ],
)
def test_what_is_of_another_form_is_refused(given: dict[str, object], part: str) -> None:
    with pytest.raises(BadOption, match=part):
        Settings.from_dict(given)

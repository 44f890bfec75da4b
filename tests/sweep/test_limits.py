"""Bounds of a trial: each goes to what keeps it, and what makes no sense is refused."""

from __future__ import annotations

from math import inf, nan

import pytest

from hwcost.errors import BadOption
from hwcost.sweep.limits import Bounds


def test_each_bound_goes_to_what_keeps_it() -> None:
    assert Bounds.of({}) == Bounds({}, {}, None)
    assert Bounds.of({"LUT": 8000.0, "DSP": 0.0, "latency_us": 2.5, "score": -1.0}) == Bounds(
        {"LUT": 8000.0, "DSP": 0.0}, {"latency_us": 2.5}, -1.0
    )


@pytest.mark.parametrize(
    ("name", "amount", "part"),
    [
        ("area", 3.0, "limit area=3: give any of LUT"),
        ("fps", 1e5, "and score; --fps is the least"),
        ("LUT", -1.0, "limit LUT=-1: give a finite amount of at least 0"),
        ("LUT", inf, "limit LUT=inf"),
        ("latency_us", 0.0, "limit latency_us=0: give a finite amount above 0"),
        ("interval_cycles", nan, "limit interval_cycles=nan"),
        ("score", nan, "limit score=nan: give a finite amount$"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, amount: float, part: str) -> None:
    with pytest.raises(BadOption, match=part):
        Bounds.of({name: amount})

"""Texts of settings: widths, limits, times."""

from __future__ import annotations

import pytest

from hwcost.errors import BadOption
from hwcost.sweep.flag_texts import parse_bits, parse_limits, parse_time


def test_texts_of_flags() -> None:
    assert parse_bits("2:8") == (2, 8)
    assert parse_limits(["LUT=8000", "DSP=0"]) == {"LUT": 8000.0, "DSP": 0.0}
    for text in ("8", "2:x", "2:4:8"):
        with pytest.raises(BadOption, match="give the smallest and the largest width"):
            parse_bits(text)
    with pytest.raises(BadOption, match="give FIGURE=BOUND"):
        parse_limits(["LUT<3"])
    with pytest.raises(BadOption, match="a figure is limited twice"):
        parse_limits(["LUT=3", "LUT=4"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("45s", 45.0),
        ("90", 90.0),
        ("1.5h", 5400.0),
        ("1h2m3s", 3723.0),
        (".5", 0.5),
        (1e-6, 1e-6),
    ],
)
def test_a_time_is_read_in_seconds(text: str | float, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "10x", "-3", "0", "0m", "nan", "inf", "1m1h", "9" * 400, "1h 30m", 0.0, -1, float("nan")]
)
def test_what_is_no_time_is_refused(text: str | float) -> None:
    with pytest.raises(BadOption, match=r"give hours, minutes and seconds above 0, e\.g\. 1h30m"):
        parse_time(text)

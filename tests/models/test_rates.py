"""Conversion of frame rates to cycles and back, without loss."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcost.errors import BadOption
from hwcost.models.rates import MOST_CYCLES, clock, frames_per_second, interval_cycles, rate_text

CLOCKS = st.one_of(st.sampled_from((100.0, 187.5, 200.0, 250.0, 300.0, 33.3333)), st.floats(1e-3, 1e4))


@pytest.mark.parametrize("clock_mhz", [100.0, 33.3333])
def test_every_reported_rate_is_reached_by_its_own_interval(clock_mhz: float) -> None:
    wrong = [n for n in range(1, 20_001, 7) if interval_cycles(frames_per_second(n, clock_mhz), clock_mhz) != n]
    assert not wrong


@given(st.integers(1, MOST_CYCLES), CLOCKS)
def test_the_longest_interval_that_is_fast_enough(cycles: int, clock_mhz: float) -> None:
    rate = frames_per_second(cycles, clock_mhz)
    found = interval_cycles(rate, clock_mhz)
    assert frames_per_second(found, clock_mhz) >= rate
    assert found == MOST_CYCLES or frames_per_second(found + 1, clock_mhz) < rate


@given(st.floats(1e-3, 1e12), CLOCKS)
def test_any_rate(fps: float, clock_mhz: float) -> None:
    found = interval_cycles(fps, clock_mhz)
    exact = Fraction(clock_mhz * 1e6) / Fraction(fps)
    assert exact - 1 < found <= exact * (1 + Fraction(1, 2**50))
    assert found == 0 or frames_per_second(found, clock_mhz) >= fps


@given(st.floats(1e-9, 1e15))
def test_a_printed_rate_is_rounded_down(fps: float) -> None:
    printed = float(rate_text(fps).replace(",", ""))
    assert fps * (1 - 1e-3) < printed <= fps


def test_the_slowest_rate_that_a_refusal_names_works() -> None:
    with pytest.raises(BadOption) as refused:
        interval_cycles(1e-320, 100.0)
    named = float(str(refused.value).split("ask for at least ")[1].split()[0])
    assert interval_cycles(named, 100.0) == MOST_CYCLES


def test_a_clock_in_hertz_is_refused() -> None:
    assert clock(250) == 250.0
    with pytest.raises(BadOption, match=r"clock_mhz=250000000.*at most 10000"):
        clock(250_000_000)

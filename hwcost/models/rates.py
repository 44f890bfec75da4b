"""Frame rates and clock cycles: converted exactly, so that a reported rate can be asked for again."""

from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction
from math import floor, nextafter

from hwcost.errors import BadOption
from hwcost.models.amounts import positive

MOST_CLOCK_MHZ = 10_000.0
"""Highest clock that is accepted, in MHz: ten times what any fabric reaches, so that a clock given in Hz is noticed."""

MOST_CYCLES = 2**53
"""Longest interval that is accepted: the integers up to here are exact in float64, in which prices are computed."""


def clock(clock_mhz: object) -> float:
    """Check a clock of the fabric, in MHz.

    Raises:
        BadOption: not a finite number above 0, or above MOST_CLOCK_MHZ.
    """
    return positive("clock_mhz", clock_mhz, MOST_CLOCK_MHZ)


def frames_per_second(cycles: float, clock_mhz: float) -> float:
    """Convert an initiation interval, in cycles per frame, into a frame rate."""
    return clock_mhz * 1e6 / cycles


def interval_cycles(fps: float, clock_mhz: float) -> int:
    """Find the longest initiation interval whose frame rate is at least the one asked for.

    `frames_per_second` rounds to a float, maybe upwards, and its result can be asked for again. So an interval counts
    as fast enough when its rounded rate is, which is decided in rational numbers.

    Args:
        fps: frames per second, above 0.
        clock_mhz: of the fabric, above 0.

    Returns:
        Whole cycles, 0 if not even one cycle per frame is fast enough.

    Raises:
        BadOption: a rate or clock that is not finite or not above 0; an interval above MOST_CYCLES.

    >>> interval_cycles(frames_per_second(11, 100.0), 100.0)
    11
    """
    fps, clock_hz = positive("fps", fps), clock(clock_mhz) * 1e6
    rounds_up_from = (Fraction(fps) + Fraction(nextafter(fps, 0.0))) / 2
    longest = floor(Fraction(clock_hz) / rounds_up_from)
    if longest > MOST_CYCLES:
        slowest = frames_per_second(MOST_CYCLES, clock_mhz)
        raise BadOption(
            f"fps={fps:g}: at {clock_mhz:g} MHz a frame may take at most {MOST_CYCLES:,} cycles; ask for at least "
            f"{slowest!r} frames/s"
        )
    if longest and clock_hz / longest < fps:  # half way between two floats, and rounded down to the even one
        longest -= 1
    return longest


def duration_text(microseconds: float) -> str:
    """Write a duration in the unit that leaves its first digits in front of the point.

    >>> duration_text(1.5), duration_text(20_957), duration_text(3.2e6)
    ('1.5 us', '20.96 ms', '3.2 s')
    """
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:.4g} {unit}"
    return f"{microseconds:.4g} us"


def rate_text(fps: float) -> str:
    """Write a frame rate rounded down, so that a design that reaches it also reaches what is printed.

    >>> rate_text(97465.887), rate_text(0.123456789)
    ('97,465', '0.123456')
    """
    if fps >= 1000:
        return f"{floor(fps):,}"
    return f"{Context(prec=6, rounding=ROUND_DOWN).create_decimal(Decimal(fps)).normalize():f}"

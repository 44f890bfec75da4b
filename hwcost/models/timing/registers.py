"""The registers that a clock asks for: as few as reach it, as late on the path as they may stand."""

from collections.abc import Sequence
from dataclasses import replace

from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.formula import Job, Setting
from hwcost.models.formulas.stages import places
from hwcost.models.timing.delays import Delays
from hwcost.models.timing.paths import LAWS, Line, delay


def line(job: Job, setting: Setting) -> Line | None:
    """Paths of a block at its current widths, rounded up to whole bits; None where its kind has no law."""
    if type(job.block) not in LAWS:
        return None
    law, widths = LAWS[type(job.block)]
    return law(EXACT, [int(bits.detach().ceil()) for bits in widths(job.block)], job, setting)


def _cuttable(job: Job, setting: Setting) -> Line | None:
    paths = line(job, setting)
    return paths if paths is not None and paths.along and places(job.block, job.fold) else None


def cuts_for(job: Job, setting: Setting, found: Delays, period: float) -> tuple[int, ...]:
    """Fewest registers with which a block keeps a period, in ns; where none suffice, those that bring it closest."""
    paths = _cuttable(job, setting)
    if paths is None:
        return ()
    reachable = max(path.delay(found) for path in paths.along)
    return late(paths, found, max(period, reachable))


def most_cuts(job: Job, setting: Setting, found: Delays, most: int) -> tuple[int, ...]:
    """Choose at most `most` registers, where they shorten the longest path most."""
    paths = _cuttable(job, setting)
    if paths is None:
        return ()
    along, periods = paths.along, set()
    for start in range(len(along)):
        piece = along[start]
        periods.add(piece.delay(found))
        for path in along[start + 1 :]:
            piece = piece.then(path)
            periods.add(piece.delay(found))
    for period in sorted(periods):
        if period >= max(path.delay(found) for path in along) and len(cuts := late(paths, found, period)) <= most:
            return cuts
    return ()


def late(paths: Line, found: Delays, period: float) -> tuple[int, ...]:
    """Places of registers, each as late as the period lets it; none is shorter than the longest piece allows."""
    cuts: list[int] = []
    piece = paths.along[0]
    for place, path in enumerate(paths.along[1:]):
        longer = piece.then(path)
        if longer.delay(found) > period:
            cuts.append(place)
            piece = path
        else:
            piece = longer
    return tuple(cuts)


def longest(job: Job, setting: Setting, found: Delays) -> float | None:
    """Nanoseconds of the longest path of a block with its registers; None where its kind has no law."""
    paths = line(job, setting)
    return None if paths is None else float(delay(EXACT, paths.cut(job.cuts), found))


def pipelined(jobs: Sequence[Job], setting: Setting, found: Delays, wanted: int | str, clock_mhz: float) -> list[Job]:
    """Give units their registers.

    Args:
        jobs: blocks with all other choices made.
        setting: what they share.
        found: constants of the family.
        wanted: most registers of a unit, or "auto" for as few as the clock asks for.
        clock_mhz: that is asked for.
    """
    made = []
    for job in jobs:
        if wanted == "auto":
            cuts = cuts_for(job, setting, found, 1e3 / clock_mhz)
        else:
            cuts = most_cuts(job, setting, found, int(wanted))
        made.append(replace(job, cuts=cuts) if cuts else job)
    return made

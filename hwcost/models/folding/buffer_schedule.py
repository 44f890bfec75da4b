"""Cycles of the words of blocks that buffer, repeat, insert, drop or sum up what passes."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from hwcost.graph.blocks import ChannelSum, Pad, Reorder, Repeat
from hwcost.models.formulas.formula import Job

Times = NDArray[np.int64]
Buffering = ChannelSum | Pad | Reorder | Repeat


def entering_elements(block: Buffering) -> int:
    """Elements that a block reads per inference."""
    return block.channels * (prod(block.image) if isinstance(block, Repeat) else block.vectors)


def buffered(job: Job, block: Buffering, times: Times, frames: int) -> tuple[Times, Times]:
    """Cycles in which a block takes its words, and in which its own leave, a register later.

    Args:
        job: of the block.
        block: of the job.
        times: cycles in which the words of all frames are there.
        frames: one behind the other.
    """
    if isinstance(block, Pad):
        return _padded(job, block, times, frames)
    if isinstance(block, ChannelSum):
        taken = _one_by_one(times)
        folds = block.channels // job.parallel.pe
        return taken, taken.reshape(frames, -1)[:, -folds:].reshape(-1) + 1
    return _halves(job, block, times, frames)


def _one_by_one(times: Times, first: int = 0) -> Times:
    """One word per cycle, none before it is there, nor before `first`."""
    place = np.arange(len(times))
    return np.maximum.accumulate(np.maximum(times, first) - place) + place


def _halves(job: Job, block: Reorder | Repeat, times: Times, frames: int) -> tuple[Times, Times]:
    """A half is written while the other is read, and not before it has been read itself."""
    held = block.held * (block.channels if isinstance(block, Repeat) else 1)
    half = held // job.parallel.pe
    reads = block.channels * block.vectors // job.parallel.pe * half * frames // len(times)
    taken, ready = [], []
    ends = [-1, -1]  # of the readings of both halves
    written = -1
    for start in range(0, len(times), half):
        into = _one_by_one(times[start : start + half], max(written, ends[-2]) + 1)
        written = int(into[-1])
        out = max(written, ends[-1]) + 1 + np.arange(reads)
        ends = [ends[-1], int(out[-1])]
        taken.append(into)
        ready.append(out + 1)
    return np.concatenate(taken), np.concatenate(ready)


def _padded(job: Job, block: Pad, times: Times, frames: int) -> tuple[Times, Times]:
    """Every place takes a cycle, whether a word enters, leaves or both."""
    takes, gives = _places(job, block)
    real, free = int(takes.sum()), 0
    taken, ready = [], []
    for frame in range(frames):
        there = np.full(len(takes), free)
        there[takes] = np.maximum(there[takes], times[frame * real : (frame + 1) * real])
        done = _one_by_one(there)
        free = int(done[-1]) + 1
        taken.append(done[takes])
        ready.append(done[gives] + 1)
    return np.concatenate(taken), np.concatenate(ready)


def _places(job: Job, block: Pad) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether a word enters, and whether one leaves, at each place of the walk; channels are the innermost side."""
    pe = job.parallel.pe
    sides = [*zip(block.sides[1:], block.pads[1:], strict=True)]
    sides.append((block.sides[0] // pe, (block.pads[0][0] // pe, block.pads[0][1] // pe)))
    takes, gives = np.ones(1, dtype=bool), np.ones(1, dtype=bool)
    for size, (before, after) in sides:
        place = np.arange(size + max(0, before) + max(0, after))
        enters = (place >= max(0, before)) & (place < max(0, before) + size)
        leaves = (place >= max(0, -before)) & (place < len(place) - max(0, -after))
        takes, gives = (np.logical_and.outer(*pair).reshape(-1) for pair in ((takes, enters), (gives, leaves)))
    return takes, gives

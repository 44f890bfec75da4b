"""Sliding windows and poolings: what must be stored, and the cycles of a frame."""

from __future__ import annotations

import pytest

from hwcost.errors import BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.spec import (
    Pool,
    Window,
)
from hwcost.models import Fold, Job, Setting
from hwcost.models.formulas.window import PoolFormula, WindowFormula, buffer_words

ELEMENT = integers(4, signed=False)
RTL = Setting("DSP48E2", "search", "rtl", "shared")


def window(
    image: tuple[int, ...], kernel: tuple[int, ...], dilation: tuple[int, ...], pad: int = 0, *, depthwise: bool = False
) -> Window:
    rank = len(image)
    output = tuple(n + 2 * pad - d * (k - 1) for n, k, d in zip(image, kernel, dilation, strict=True))
    return Window(
        channels=6, image=image, kernel=kernel, stride=(1,) * rank, dilation=dilation, padding=((pad, pad),) * rank,
        output=output, input=ELEMENT, depthwise=depthwise,
    )  # fmt: skip


@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize(
    ("image", "kernel", "dilation"),
    [((9, 7), (3, 3), (1, 1)), ((9, 9), (3, 2), (2, 1)), ((8, 8), (1, 1), (1, 1)), ((20,), (5,), (3,))],
)
def test_the_buffer_holds_a_window_and_what_the_next_row_begins_with(
    image: tuple[int, ...], kernel: tuple[int, ...], dilation: tuple[int, ...], pad: int
) -> None:
    width = image[-1] + 2 * pad
    rows = range(0, kernel[0] * dilation[0], dilation[0]) if len(image) == 2 else [0]
    places = [row * width + col for row in rows for col in range(0, kernel[-1] * dilation[-1], dilation[-1])]
    block = window(image, kernel, dilation, pad)
    last = block.output[-1] - 1  # while it is read, what the first window of the next row spans must arrive
    ahead = max(1, width - last) if len(block.output) == 2 else 1
    assert buffer_words(block, simd=2) == (max(places) - min(places) + 1 + ahead) * 3


def test_cycles_of_a_window() -> None:
    block = window((6, 6), (3, 3), (1, 1))
    law = WindowFormula()
    # all windows, once the first one has arrived, and two cycles between images
    assert law.cycles(block, Fold(simd=2)) == (2 * 6 + 3) * 3 + (4 * 4 - 1) * 9 * 3 + 2
    assert law.cycles(block, Fold(simd=6, parallel_window=True)) == 36
    assert law.folds(block) == [*(Fold(simd=n) for n in (1, 2, 3, 6)), Fold(simd=6, parallel_window=True)]
    deep = law.folds(window((6, 6), (3, 3), (1, 1), depthwise=True))
    assert sum(fold.parallel_window for fold in deep) == 4


def test_a_window_of_volumes_buffers_planes_and_is_read_pixel_by_pixel() -> None:
    block, law = window((4, 5, 6), (2, 2, 2), (1, 1, 1)), WindowFormula()
    # while the last window of a plane is read, the first of the next arrives: 8 pixels further
    assert buffer_words(block, simd=1) == (1 * 30 + 1 * 6 + 1 + 1 + 8) * 6
    assert not any(fold.parallel_window for fold in law.folds(block))
    assert law.cycles(block, Fold(simd=6)) == 38 + (3 * 4 * 5 - 1) * 8 + 2


def pool(kind: str) -> Pool:
    return Pool(kind=kind, channels=6, kernel=(2, 2), vectors=9, input=ELEMENT, output=ELEMENT)


def test_a_pool_takes_an_element_per_cycle_or_the_whole_window() -> None:
    law = PoolFormula()
    assert law.folds(pool("max")) == [*(Fold(n) for n in (1, 2, 3, 6)), Fold(6, 4)]
    assert [law.cycles(pool("max"), fold) for fold in (Fold(1), Fold(3), Fold(6, 4))] == [6 * 4 * 9, 2 * 4 * 9, 9]
    constants = RTL.constants
    whole = law.exact(Job("pool", pool("max"), Fold(6, 4)), RTL)
    assert whole.LUT["reduction"] == pytest.approx(6 * constants["maximum_bit"] * 3 * 4, abs=1)
    assert whole.FF == 6 * 4 + 1
    with pytest.raises(BadOption, match="pool: pooling of kind 'mean' has no formula; use 'max' or 'sum'"):
        law.exact(Job("pool", pool("mean"), Fold(1)), RTL)


@pytest.mark.parametrize("fold", [Fold(simd=2), Fold(simd=6, parallel_window=True)])
def test_a_walk_around_what_is_padded(fold: Fold) -> None:
    plain, padded = (
        WindowFormula().exact(Job("window", window((6, 6), (3, 3), (1, 1), pad), fold), RTL) for pad in (0, 1)
    )
    as_if = WindowFormula().exact(Job("window", window((8, 8), (3, 3), (1, 1)), fold), RTL)  # padded by another
    word = fold.simd * 4
    assert plain.LUT["padding"] == as_if.LUT["padding"] == 0 and padded.LUT["padding"] == word
    c, counters = RTL.constants, (6 // fold.simd - 1).bit_length() + 3 + 3
    around = c["pad_counter_bit"] * counters + c["pad_end"] * 4
    assert padded.LUT["control"] == pytest.approx(as_if.LUT["control"] + around, abs=1)
    assert padded.FF == as_if.FF + counters and padded.LUT["lines"] == as_if.LUT["lines"]

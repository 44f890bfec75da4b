"""Windows with their padding: every element in the order of its product, and the cycles of a frame as priced."""

from __future__ import annotations

from itertools import product

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from amaranth.sim import Simulator, SimulatorContext

from hwcost.build.window import build
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Window
from hwcost.models.formulas.formula import Fold, Job
from hwcost.models.formulas.window import WindowFormula

WIRE = integers(8, signed=False)
FRAMES = 3


def window(image: tuple[int, int], kernel: int, stride: int, pad: tuple[int, int], *, depthwise: bool) -> Window:
    output = tuple((size + sum(pad) - kernel) // stride + 1 for size in image)
    return Window(
        channels=4, image=image, kernel=(kernel,) * 2, stride=(stride,) * 2, dilation=(1, 1), padding=(pad, pad),
        output=output, input=WIRE, depthwise=depthwise,
    )  # fmt: skip


def wanted(block: Window, simd: int, frame: int) -> list[int]:
    """Elements of every window, in the order of a product."""
    height, width = block.image
    k, s, pad = block.kernel[0], block.stride[0], block.padding[0][0]
    found = []
    groups = range(0, 4, simd) if block.depthwise else [None]
    for oy, ox in product(*map(range, block.output)):
        for group in groups:
            for ky, kx in product(range(k), range(k)):
                y, x = oy * s + ky - pad, ox * s + kx - pad
                channels = range(4) if group is None else range(group, group + simd)
                inside = 0 <= y < height and 0 <= x < width
                found += [(((y * width + x) * 4 + c + frame) % 250 if inside else 0) for c in channels]
    return found


@pytest.mark.parametrize(
    ("image", "kernel", "stride", "pad", "simd", "whole", "depthwise"),
    [
        ((5, 6), 3, 1, (1, 1), 2, False, False),
        ((6, 6), 2, 2, (0, 0), 2, False, True),
        ((7, 5), 3, 2, (0, 1), 1, False, True),
        ((8, 8), 3, 1, (1, 1), 4, True, False),
        ((6, 7), 3, 2, (1, 1), 2, True, True),
        pytest.param((9, 9), 2, 2, (0, 0), 1, False, True, marks=pytest.mark.slow),
        pytest.param((8, 8), 4, 4, (0, 0), 1, False, True, marks=pytest.mark.slow),
        pytest.param((8, 8), 8, 8, (0, 0), 2, False, True, marks=pytest.mark.slow),
        pytest.param((9, 7), 1, 3, (0, 0), 1, False, False, marks=pytest.mark.slow),
        pytest.param((11, 11), 3, 2, (0, 0), 1, False, False, marks=pytest.mark.slow),
    ],
)
def test_elements_and_cycles(
    image: tuple[int, int], kernel: int, stride: int, pad: tuple[int, int], simd: int, whole: bool, depthwise: bool
) -> None:
    block = window(image, kernel, stride, pad, depthwise=depthwise)
    fold = Fold(simd=simd, parallel_window=whole)
    frame = build(Job("window", block, fold), 1 if depthwise else None, [0] * 4)
    height, width = image
    words = [
        sum(((place * 4 + c + f) % 250) << (8 * lane) for lane, c in enumerate(range(start, start + simd)))
        for f in range(FRAMES) for place in range(height * width) for start in range(0, 4, simd)
    ]  # fmt: skip
    expected = [value for f in range(FRAMES) for value in wanted(block, simd, f)]
    seen: list[int] = []
    ends: list[int] = []

    async def run(context: SimulatorContext) -> None:
        sent, source, sink = 0, frame.entering[0], frame.leaving[0]
        context.set(sink.ready, 1)
        for cycle in range(20000):
            context.set(source.valid, sent < len(words))
            if sent < len(words):
                context.set(source.data, words[sent])
            if context.get(sink.valid):
                word = context.get(sink.data)
                seen.extend(word >> (8 * lane) & 255 for lane in range(sink.lanes))
                if len(seen) % (len(expected) // FRAMES) == 0:
                    ends.append(cycle)
            sent += bool(context.get(source.ready) and sent < len(words))
            if len(seen) == len(expected):
                return
            await context.tick()

    simulator = Simulator(frame.circuit.module)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    assert seen == expected
    assert ends[-1] - ends[-2] == WindowFormula().cycles(block, fold)

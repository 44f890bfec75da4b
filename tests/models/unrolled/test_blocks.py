"""Laws of what is built as a whole: windows of wires or lines, thresholds per channel, a kind of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from block_strategies import bits
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph import spec
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Block, MatVec, Pool, Thresholds, Window
from hwcost.models import Placed, Unrolled
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.formula import Job, Parts, Setting
from hwcost.models.unrolled.blocks import WIRED, WiredLaw


def model(**options: Any) -> Unrolled:
    return Unrolled(device="xczu3eg", **options)


def lut(block: Block, **options: Any) -> float:
    return float(model(**options).price([Placed("layer", block)])["LUT"])


def test_a_window_is_wires_or_line_buffers() -> None:
    window = Window(
        channels=8, image=(32, 32), kernel=(3, 3), stride=(1, 1), dilation=(1, 1), padding=((1, 1), (1, 1)),
        output=(32, 32), input=integers(4, signed=False)
    )  # fmt: skip
    whole = model(reuse=1).price([Placed("conv", window)])
    assert float(whole["LUT"]) == float(whole["FF"]) == float(whole["BRAM18"]) == 0
    stream = model(reuse="stream").price([Placed("conv", window)])
    assert int(stream["cycles"]) == 34 * 34
    assert float(stream["FF"]) == 3 * 3 * 8 * 4
    assert float(stream["LUT"]) >= 2 * 8 * 4  # two lines of 34 words in LUT RAM


def test_each_channel_has_thresholds_of_its_own() -> None:
    acc = integers(12, signed=True)

    def act(*output: float) -> float:
        own = integers(torch.tensor(output, dtype=torch.float64), signed=False)
        return lut(Thresholds(channels=2, vectors=1, input=acc, output=own), thresholds="parallel")

    assert act(2, 4) == pytest.approx((act(2, 2) + act(4, 4)) / 2)
    assert act(4, 4) > 3 * act(2, 2)


@dataclass(frozen=True, eq=False, kw_only=True)
class Invert(Block):
    """Inverts every bit of a stream."""

    lanes: int
    width: Tensor


def test_a_kind_can_be_added() -> None:
    class InvertLaw(WiredLaw[Invert]):
        def vectors(self, block: Invert) -> int:
            return 10

        def widths(self, block: Invert) -> tuple[Tensor, ...]:
            return (block.width,)

        def elements(self, job: Job) -> float:
            assert isinstance(job.block, Invert)
            return job.copies * job.block.lanes

        def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
            return Parts(LUT={"inverters": widths[0]}, FF=0, cycles=g.cycles, levels=1)

    block = Invert(lanes=3, width=bits(5))
    bill = model(wired=dict(WIRED) | {Invert: InvertLaw()}, reuse=5).price([Placed("odd", block)])
    assert bill["LUT"].item() == 2 * 3 * 5 and bill["cycles"].item() == 5


def test_every_block_but_a_product_has_a_law() -> None:
    blocks = {kind for kind in vars(spec).values() if isinstance(kind, type) and issubclass(kind, Block)}
    assert set(WIRED) == blocks - {Block, MatVec}


def test_a_window_of_three_dimensions_and_a_mean_are_refused() -> None:
    element = integers(4, signed=False)
    cube = Window(
        channels=1, image=(4,) * 3, kernel=(2,) * 3, stride=(1,) * 3, dilation=(1,) * 3, padding=((0, 0),) * 3,
        output=(3,) * 3, input=element,
    )  # fmt: skip
    mean = Pool(kind="mean", channels=1, kernel=(2,), vectors=1, input=element, output=element)
    with pytest.raises(BadOption, match="layer: a window of 3 dimensions has no formula"):
        lut(cube)
    with pytest.raises(BadOption, match="layer: pooling of kind 'mean' has no formula"):
        lut(mean)

"""Names of units, and the single stream that enters."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from accelerated import STEP, folded, traced

from hwcost.build.layout import Site
from hwcost.errors import UnknownOperation
from hwcost.integer import IntegerNetwork


def test_a_second_stream_that_enters_is_refused() -> None:
    pipeline = traced("dense")
    site = Site(pipeline.layers(), folded(pipeline, 40), IntegerNetwork.of(pipeline, input_step=STEP))
    wire = pipeline.inputs[0].range
    assert site.enter(None, wire, (6,)).node is None
    with pytest.raises(UnknownOperation, match="a second stream enters"):
        site.enter(3, wire, (6,))

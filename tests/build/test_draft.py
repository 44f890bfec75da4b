"""What cannot be laid out is refused, all layers at once."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from accelerated import STEP, folded, traced

from hwcost.build.draft import layout
from hwcost.errors import UnknownOperation
from hwcost.models import Dataflow


def test_a_layout_has_every_block_and_every_link() -> None:
    pipeline = traced("residual")
    found = layout(pipeline, folded(pipeline, 200), input_step=STEP)
    assert [node.name for node in found.nodes] == [
        "stem_window", "stem_matvec", "act_thresholds", "branch_window", "branch_matvec", "add_thresholds", "add_adder",
        "head_matvec",
    ]  # fmt: skip
    sinks = [edge.sink for edge in found.edges if edge.source is not None and edge.source.name == "act_thresholds"]
    readers = [sink.name for sink in sinks if sink is not None]
    assert readers == ["branch_window", "add_adder"]
    assert found.edges[-1].sink is None and found.left is not None and found.left.shape == (2, 6, 6)


def test_another_flow_is_refused() -> None:
    pipeline = traced("dense")
    model = folded(pipeline, 40)
    hls = Dataflow(device="xczu7ev", folding=model.folding, flow="hls")
    with pytest.raises(UnknownOperation, match="build in flow 'rtl'"):
        layout(pipeline, hls, input_step=STEP)


def test_weights_that_are_not_in_the_bitstream_are_refused_layer_by_layer() -> None:
    pipeline = traced("dense")
    model = folded(pipeline, 40)
    with pytest.raises(UnknownOperation, match=r"0: weights in 'external' memory are not built(.|\n)*"):
        layout(pipeline, Dataflow(device="xczu7ev", folding=model.folding, weight_memory="external"), input_step=STEP)

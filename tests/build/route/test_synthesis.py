"""Whole designs by Yosys: counted by unit; products stay where the design has them."""

from __future__ import annotations

import pytest

pytest.importorskip("pyosys", reason="pyosys is not installed: nothing was synthesized; pip install 'hwcost[synth]'")

from dataclasses import replace

from hwcost.build.route.ecp5 import tools
from hwcost.build.route.flow import JOINT, Source
from hwcost.synth.yosys import SynthesisFailed

UNIT = """
module net_{name}(input clk, input signed [5:0] a, input signed [5:0] b, output reg signed [11:0] y);
  always @(posedge clk) y <= a * b;
endmodule
"""
TOP = """
module net(input aclk, input signed [5:0] a, input signed [5:0] b, output [11:0] x, output [11:0] y, output z);
  net_first first(.clk(aclk), .a(a), .b(b), .y(x));
  net_second second(.clk(aclk), .a(b), .b(a), .y(y));
  assign z = a[0] ^ b[0];
endmodule
"""
FILES = {"net.v": TOP, "net_first.v": UNIT.format(name="first"), "net_second.v": UNIT.format(name="second")}
SOURCE = Source(top="net", files=FILES, units=("first", "second"))


def test_the_script_has_the_passes_and_what_they_map_with() -> None:
    script = tools()[0].script(SOURCE)
    assert "abc9.D 10000" in script and "module hwcost_cells" in script
    assert script != tools()[0].script(replace(SOURCE, in_dsp=frozenset({"first"})))


@pytest.mark.slow
@pytest.mark.parametrize("in_dsp", [(), ("second",), ("first", "second")])
def test_products_are_in_dsp_blocks_where_the_design_says_so(in_dsp: tuple[str, ...]) -> None:
    made = tools()[0].synthesize(replace(SOURCE, in_dsp=frozenset(in_dsp)), 600)
    for unit in SOURCE.units:
        assert made.units[unit]["DSP"] == (unit in in_dsp)
        assert (made.units[unit]["LUT"] > 10) == (unit not in in_dsp)
    assert made.units[JOINT]["LUT"] == 1 and made.amounts["pins"] == 1 + 6 + 6 + 12 + 12 + 1
    assert made.amounts["LUT"] == sum(unit["LUT"] for unit in made.units.values())


@pytest.mark.slow
def test_a_cell_that_is_not_counted_is_refused() -> None:
    synthesizer = tools()[0]
    few = {kind: takes for kind, takes in synthesizer.takes.items() if kind != "TRELLIS_FF"}
    with pytest.raises(SynthesisFailed, match="TRELLIS_FF: a primitive that is not counted"):
        replace(synthesizer, takes=few).synthesize(SOURCE, 600)

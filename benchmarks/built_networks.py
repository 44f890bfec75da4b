"""Whole networks, priced against built: simulated code by code, and counted by Yosys.

    python benchmarks/built_networks.py --frames 1000 --out reports/build        # needs hwcost[synth] and Verilator
    python benchmarks/built_networks.py --only mlp --frames 100 --no-synthesis

Each network at three settings, with the weights that it starts with: neither prices nor widths depend on training. A
row for each: cycles per frame, latency, FIFOs, LUT, FF, BRAM18 and DSP, as priced and as measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from hwcost.build.accelerator import accelerator
from hwcost.build.draft import layout
from hwcost.build.golden import drawn, golden
from hwcost.build.trial_run import Priced, check
from hwcost.build.verilog import bench, verilog
from hwcost.cost.estimate import estimate
from hwcost.errors import HwcostError
from hwcost.graph.ranges import integers, unknown
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, target_fps
from hwcost.quant import QuantConcat, QuantConv2d, QuantLinear
from hwcost.synth.yosys import find
from hwcost.zoo.autoencoder import Autoencoder
from hwcost.zoo.cnn import SmallCNN, Widths
from hwcost.zoo.keywords import DSCNN
from hwcost.zoo.lenet import QuantLeNet
from hwcost.zoo.mlp import MLP, finn_mlp
from hwcost.zoo.precision import Precision, relu, weight
from hwcost.zoo.resnet import ResNet8

COUNTED = ("LUT", "FF", "BRAM18", "DSP")
PRECISIONS = (Precision(2, 2), Precision(3, 4), Precision(4, 3))
CLOCK_HZ = 100e6


def small_cnn(precision: Precision) -> nn.Module:
    widths = Widths(conv=precision.weight_bits, dense=precision.weight_bits, activation=precision.activation_bits)
    return SmallCNN(image=(1, 8, 8), channels=(16, 16), hidden=64, classes=10, widths=widths)


def cnv(precision: Precision) -> nn.Module:
    """CNV with an eighth of its channels."""
    net, before = nn.Sequential(), 3
    for index, rows in enumerate((8, 8, 16, 16, 32, 32)):
        net.append(QuantConv2d(before, rows, 3, bias=False, weight_quant=weight(precision)))
        net.extend([nn.BatchNorm2d(rows), relu(precision)])
        if index in (1, 3):
            net.append(nn.MaxPool2d(2))
        before = rows
    net.append(nn.Flatten())
    for rows in (64, 64):
        net.extend([QuantLinear(before, rows, bias=False, weight_quant=weight(precision)), nn.BatchNorm1d(rows)])
        net.append(relu(precision))
        before = rows
    return net.append(QuantLinear(before, 10, bias=False, weight_quant=weight(precision, per_channel=False)))


def depthwise(precision: Precision) -> nn.Module:
    net, before = nn.Sequential(), 3
    for rows, stride in ((8, 1), (16, 2), (32, 2)):
        conv = QuantConv2d(before, before, 3, stride, 1, groups=before, bias=False, weight_quant=weight(precision))
        net.extend([conv, nn.BatchNorm2d(before), relu(precision)])
        net.append(QuantConv2d(before, rows, 1, bias=False, weight_quant=weight(precision)))
        net.extend([nn.BatchNorm2d(rows), relu(precision)])
        before = rows
    net.extend([nn.MaxPool2d(4), nn.Flatten()])
    return net.append(QuantLinear(before, 10, bias=False, weight_quant=weight(precision, per_channel=False)))


class Inception(nn.Module):
    """A stem, three branches that are concatenated, a dense layer."""

    def __init__(self, precision: Precision) -> None:
        super().__init__()
        self.stem = QuantConv2d(3, 8, 3, 2, 1, bias=False, weight_quant=weight(precision))
        self.act = relu(precision)
        sizes = ((8, 1), (8, 3), (4, 5))
        self.branches = nn.ModuleList(
            [QuantConv2d(8, rows, k, padding=k // 2, bias=False, weight_quant=weight(precision)) for rows, k in sizes]
        )
        self.join = QuantConcat(precision.activation())
        self.pool = nn.MaxPool2d(4)
        self.fc = QuantLinear(80, 10, bias=False, weight_quant=weight(precision, per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 16, 16) -> (N, 10)."""
        x = self.act(self.stem(x))
        return self.fc(self.pool(self.join(*[branch(x) for branch in self.branches])).flatten(1))


NETWORKS: dict[str, tuple[Callable[[Precision], nn.Module], tuple[int, ...], int, int]] = {
    "mlp": (lambda p: MLP((16, 64, 32, 32, 5), p), (16,), 4, 256),
    "digits": (small_cnn, (1, 8, 8), 4, 500),
    "tfc": (lambda p: finn_mlp("tfc", p), (1, 28, 28), 8, 1568),
    "concat": (Inception, (3, 16, 16), 8, 2000),
    "depthwise": (depthwise, (3, 16, 16), 8, 2000),
    "lenet": (lambda p: QuantLeNet(p.weight_bits, p.activation_bits), (3, 32, 32), 8, 20_000),
    "cnv": (cnv, (3, 32, 32), 8, 20_000),
    "autoencoder": (Autoencoder, (640,), 0, 4096),
    "ds-cnn": (lambda p: DSCNN(p, channels=16), (1, 49, 10), 0, 20_000),
    "resnet-8": (ResNet8, (3, 32, 32), 8, 50_000),
}
"""Name -> (network, shape of a sample, bits of its input or 0 for floats, cycles that a frame may take)."""


def measured(name: str, precision: Precision, frames: int, synthesis: bool) -> dict[str, object]:
    """One row of the table."""
    make, shape, bits, cycles = NETWORKS[name]
    torch.manual_seed(0)
    entering = integers(bits, signed=False) if bits else unknown()
    pipeline = trace(make(precision).eval(), torch.zeros(1, *shape), input_range=entering)
    model = Dataflow(device="xczu7ev", folding=target_fps(pipeline, CLOCK_HZ / cycles))
    priced = estimate(pipeline, model)
    row: dict[str, object] = {"network": name, "W": precision.weight_bits, "A": precision.activation_bits}
    made = accelerator(layout(pipeline, model, input_step=2.0**-bits if bits else None))
    vectors = golden(made, drawn(made, frames))
    tool = find()
    files = verilog(made, "net", tool) | bench(made, "net", vectors)
    figures = Priced(interval_cycles=int(priced.total["cycles"]), latency_cycles=priced.latency_cycles)
    seen = check(made, vectors, files, figures)
    depths = [(depth, high) for depth, high in seen.fifos.values()]
    row |= {
        "units": len(made.layout.nodes),
        "frames": seen.frames,
        "words": seen.words,
        "cycles": figures.interval_cycles,
        "cycles_measured": seen.interval_cycles,
        "latency": figures.latency_cycles,
        "latency_measured": seen.latency_cycles,
        "FIFOs": len(depths),
        "deepest_to_high_water": max((depth / max(1, high) for depth, high in depths), default=1.0),
    }
    if synthesis:
        (counts,) = tool.count([made.rtlil()], family="xcup", dsp=False, limit_s=3600)
        row |= {name: priced.total[name] for name in COUNTED}
        row |= {f"{name}_built": counts[name] for name in COUNTED}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[*NETWORKS], choices=[*NETWORKS], metavar="NETWORK")
    parser.add_argument("--settings", type=int, default=len(PRECISIONS), help="of each network, from the first on")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--no-synthesis", action="store_true")
    parser.add_argument("--out", type=Path, help="folder for built.csv")
    given = parser.parse_args()
    rows = []
    for name in given.only:
        for precision in PRECISIONS[: given.settings]:
            start = time.monotonic()
            try:
                row = measured(name, precision, given.frames, not given.no_synthesis)
            except HwcostError as error:
                row = {"network": name, "W": precision.weight_bits, "A": precision.activation_bits, "error": str(error)}
            rows.append(row)
            print(row, f"{time.monotonic() - start:.0f} s", flush=True)
            if given.out is not None:
                given.out.mkdir(parents=True, exist_ok=True)
                pd.DataFrame(rows).to_csv(given.out / "built.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()

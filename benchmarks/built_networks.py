"""Whole networks, priced against built: simulated code by code, and counted by Yosys.

    python benchmarks/built_networks.py --frames 1000 --out reports/build        # needs hwcost[synth] and Verilator
    python benchmarks/built_networks.py --only mlp --frames 100 --synthesis-s 0 --out built

Each network at three settings: widths drawn per layer, as learning leaves them; binary or ternary weights; 4 bits
everywhere. Weights are those that it starts with, and batch norms have seen random data: neither prices nor widths
depend on training. A row for each: cycles per frame, latency, FIFOs, LUT, FF, BRAM18 and DSP, priced and measured.
Every unit is synthesized on its own, and once in all; what joins them, a count of words, is no part of it. --flatten
counts the whole network without borders as well, which takes long. Rows of networks that are not asked for stay in the
tables. Then the tables of the page are printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

import pandas as pd
import torch
from built_figures import error_picture
from built_units import COUNTED, compared
from torch import Tensor, nn

from hwcost.build.accelerator import Accelerator, accelerator
from hwcost.build.draft import layout
from hwcost.build.golden import drawn, golden
from hwcost.build.trial_run import Priced, check
from hwcost.build.verilog import bench, verilog
from hwcost.cost.estimate import Estimate, estimate
from hwcost.errors import HwcostError
from hwcost.graph.ranges import integers, unknown
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, target_fps
from hwcost.quant import LearnedBits, QuantConcat, QuantConv2d, QuantLinear
from hwcost.synth.yosys import find
from hwcost.zoo import cnn as zoo_cnn
from hwcost.zoo.autoencoder import Autoencoder
from hwcost.zoo.keywords import DSCNN
from hwcost.zoo.mlp import MLP, finn_mlp
from hwcost.zoo.precision import Precision, relu, weight
from hwcost.zoo.resnet import ResNet8

COLUMNS = (
    "units", "frames", "words", "distinct", "cycles", "cycles_built", "latency", "latency_built", "FIFOs",
    "too_shallow", "too_deep", "kind", *COUNTED, *(f"{name}_built" for name in COUNTED), "LUT_flattened",
)  # fmt: skip
"""Columns of the tables, in order."""

LUT_BAND = 0.1
"""Error that LUTs of a network are meant to stay within."""

CLOCK_HZ = 100e6
FLOOR = 2


@dataclass(frozen=True)
class Widths:
    """Bits of weights and activations: each layer draws its own from these."""

    weights: tuple[int, ...]
    activations: tuple[int, ...]


SETTINGS = {
    "mixed": Widths(tuple(range(2, 9)), tuple(range(2, 9))),
    "few": Widths((1,), (2,)),
    "4/4": Widths((4,), (4,)),
}


def precision_of(widths: Widths) -> Precision:
    """Learned widths; constant ones for weights of one bit."""
    few = min(widths.weights) == 1
    return Precision(1, min(widths.activations)) if few else Precision(FLOOR, FLOOR, learned=True)


def settle(net: nn.Module, shape: tuple[int, ...], widths: Widths) -> None:
    """Draw the widths of every layer, and let batch norms see random data; some of their factors are negative."""
    drawn_ = Random(0)
    for name, module in net.named_modules():
        if isinstance(module, LearnedBits):
            kind = widths.weights if "weight_quant" in name else widths.activations
            module.offset.data.fill_(max(FLOOR, drawn_.choice(kind)) - module.base)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.momentum = 0.5
    net.train()
    with torch.no_grad():
        for _ in range(8):
            net(torch.rand(16, *shape))
    net.eval()


def small_cnn(precision: Precision) -> nn.Module:
    widths = zoo_cnn.Widths(conv=FLOOR, dense=FLOOR, activation=FLOOR)
    return zoo_cnn.SmallCNN(image=(1, 8, 8), channels=(16, 16), hidden=64, classes=10, widths=widths)


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


def lenet(precision: Precision) -> nn.Module:
    """LeNet with batch norms, without which weights that were never trained give one word whatever enters."""
    net, before = nn.Sequential(), 3
    for rows in (6, 16):
        net.append(QuantConv2d(before, rows, 5, bias=False, weight_quant=weight(precision)))
        net.extend([nn.BatchNorm2d(rows), relu(precision), nn.MaxPool2d(2)])
        before = rows
    net.append(nn.Flatten())
    before = 400
    for rows in (120, 84):
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
        self.norm, self.act = nn.BatchNorm2d(8), relu(precision)
        sizes = ((8, 1), (8, 3), (4, 5))
        self.branches = nn.ModuleList(
            nn.Sequential(
                QuantConv2d(8, rows, k, padding=k // 2, bias=False, weight_quant=weight(precision)),
                nn.BatchNorm2d(rows),
            )
            for rows, k in sizes
        )
        self.join = QuantConcat(precision.activation())
        self.pool = nn.MaxPool2d(4)
        self.fc = QuantLinear(80, 10, bias=False, weight_quant=weight(precision, per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 16, 16) -> (N, 10)."""
        x = self.act(self.norm(self.stem(x)))
        return self.fc(self.pool(self.join(*[branch(x) for branch in self.branches])).flatten(1))


NETWORKS: dict[str, tuple[Callable[[Precision], nn.Module], tuple[int, ...], int, int]] = {
    "mlp": (lambda p: MLP((16, 64, 32, 32, 5), p), (16,), 4, 256),
    "digits": (small_cnn, (1, 8, 8), 4, 500),
    "tfc": (lambda p: finn_mlp("tfc", p), (1, 28, 28), 8, 1568),
    "concat": (Inception, (3, 16, 16), 8, 2000),
    "depthwise": (depthwise, (3, 16, 16), 8, 2000),
    "autoencoder": (Autoencoder, (640,), 0, 4096),
    "lenet": (lenet, (3, 32, 32), 8, 20_000),
    "cnv": (cnv, (3, 32, 32), 8, 20_000),
    "ds-cnn": (lambda p: DSCNN(p, channels=16), (1, 49, 10), 0, 20_000),
    "resnet-8": (ResNet8, (3, 32, 32), 8, 50_000),
}
"""Name -> (network, shape of a sample, bits of its input or 0 for floats, cycles that a frame may take)."""


def built(name: str, widths: Widths, part: str = "xczu7ev") -> tuple[Pipeline, Dataflow, Accelerator]:
    """A network, its folding on a part, and the accelerator."""
    make, shape, bits, cycles = NETWORKS[name]
    torch.manual_seed(0)
    net = make(precision_of(widths))
    settle(net, shape, widths)
    entering = integers(bits, signed=False) if bits else unknown()
    pipeline = trace(net, torch.zeros(1, *shape), input_range=entering)
    model = Dataflow(device=part, folding=target_fps(pipeline, CLOCK_HZ / cycles))
    return pipeline, model, accelerator(layout(pipeline, model, input_step=2.0**-bits if bits else None))


def simulated(made: Accelerator, figures: Priced, frames: int) -> dict[str, object]:
    """Columns of a simulation."""
    vectors = golden(made, drawn(made, frames))
    seen = check(made, vectors, verilog(made, "net", find()) | bench(made, "net", vectors), figures)
    depths = [(depth, high) for depth, high in seen.fifos.values()]
    return {
        "units": len(made.layout.nodes),
        "frames": seen.frames,
        "words": seen.words,
        "distinct": len({*vectors.wanted}),
        "cycles": figures.interval_cycles,
        "cycles_built": seen.interval_cycles,
        "latency": figures.latency_cycles,
        "latency_built": seen.latency_cycles,
        "FIFOs": len(depths),
        "too_shallow": sum(high > depth for depth, high in depths),
        "too_deep": sum(depth > 2 * max(1, high) for depth, high in depths),
    }


def synthesized(
    made: Accelerator, model: Dataflow, priced: Estimate, given: argparse.Namespace
) -> tuple[dict[str, object], pd.DataFrame]:
    """Columns of a synthesis, and every unit; no counts of a network where those of a unit are missing."""
    units = compared(made, model, find(), given.out / "counts.csv", given.synthesis_s)
    row: dict[str, object] = {name: priced.total[name] for name in COUNTED}
    row |= {f"{name}_built": units[f"{name}_built"].sum(skipna=False) for name in COUNTED}
    if given.flatten:
        (counts,) = find().count([made.rtlil()], family="xcup", dsp=False, limit_s=given.synthesis_s)
        row["LUT_flattened"] = counts["LUT"]
    return row, units


def measured(name: str, setting: str, given: argparse.Namespace) -> tuple[dict[str, object], pd.DataFrame]:
    """Columns of one row, and its units."""
    pipeline, model, made = built(name, SETTINGS[setting])
    priced = estimate(pipeline, model)
    row: dict[str, object] = {}
    if given.frames:
        figures = Priced(interval_cycles=int(priced.total["cycles"]), latency_cycles=priced.latency_cycles)
        frames = max(10, min(given.frames, given.most_cycles // figures.interval_cycles))
        row |= simulated(made, figures, frames)
    units = pd.DataFrame()
    if given.synthesis_s:
        counts, units = synthesized(made, model, priced, given)
        row |= counts
    return row, units


def put(table: Path, key: list[str], fresh: pd.DataFrame) -> pd.DataFrame:
    """Replace rows of a table, network by network in order."""
    rows = pd.read_csv(table) if table.exists() else pd.DataFrame(columns=fresh.columns)
    places = {(name, setting): place for place, (name, setting) in enumerate(product(NETWORKS, SETTINGS))}
    if "unit" in key and len(rows):
        mine = (rows["network"] == fresh["network"].iloc[0]) & (rows["setting"] == fresh["setting"].iloc[0])
        rows = pd.concat([rows[~mine], fresh])
    else:
        rows = fresh.set_index(key).combine_first(rows.set_index(key)).reset_index()
    order = [places[pair] for pair in zip(rows["network"], rows["setting"], strict=True)]
    rows = rows.assign(order=order).sort_values("order", kind="stable").drop(columns="order")
    named = [*key, *(name for name in COLUMNS if name in rows)]
    rows = rows[[*named, *(name for name in rows if name not in named)]]
    rows.to_csv(table, index=False, lineterminator="\n")
    return rows


def page(rows: pd.DataFrame) -> str:
    """The tables of the page, in Markdown."""
    lines = []
    if "frames" in rows:
        lines += [
            "| network | widths | units | frames, words, distinct words | cycles per frame, priced / built | "
            "latency, priced / built | FIFOs | FIFOs exceeded / more than twice the mark |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in rows[rows["frames"].notna()].to_dict("records"):
            cells = [row["network"], row["setting"], f"{row['units']:.0f}"]
            cells.append(", ".join(f"{row[n]:,.0f}" for n in ("frames", "words", "distinct")))
            cells += [f"{row[n]:,.0f} / {row[f'{n}_built']:,.0f}" for n in ("cycles", "latency")]
            cells += [f"{row['FIFOs']:.0f}", f"{row['too_shallow']:.0f} / {row['too_deep']:.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    if "LUT_built" in rows:
        lines += ["", "| network | widths | " + " | ".join(f"{n}, priced / built" for n in COUNTED) + " |"]
        lines += ["|---" * (2 + len(COUNTED)) + "|"]
        counted = rows[rows["LUT_built"].notna()]
        for row in counted.to_dict("records"):
            pairs = (f"{row[n]:,.0f} / {row[f'{n}_built']:,.0f}" for n in COUNTED)
            lines.append(f"| {row['network']} | {row['setting']} | " + " | ".join(pairs) + " |")
        for name in ("LUT", "FF"):
            away = ((counted[name] - counted[f"{name}_built"]) / counted[f"{name}_built"]).abs()
            lines += ["", f"{name}: median error {away.median():.1%}, worst {away.max():.1%} of {len(away)}."]
        for name in ("BRAM18", "DSP"):
            away = (counted[name] - counted[f"{name}_built"]).abs()
            lines += ["", f"{name}: worst {away.max():.0f} blocks, exact in {(away < 0.5).sum()} of {len(away)}."]
    return "\n".join(lines)


def by_kind(units: pd.DataFrame) -> str:
    """Errors of units by kind, in Markdown: of those with 4 LUT or more, and with any FF."""
    lines = [
        "",
        "| units | number | LUT, priced / built | LUT, MAPE | FF, priced / built | FF, MAPE |",
        "|---" * 6 + "|",
    ]
    for kind, rows in units[units["LUT_built"].notna()].groupby("kind"):
        cells = [str(kind), f"{len(rows)}"]
        for name, least in (("LUT", 4), ("FF", 1)):
            large = rows[rows[f"{name}_built"] >= least]
            away = ((large[name] - large[f"{name}_built"]) / large[f"{name}_built"]).abs()
            cells += [f"{rows[name].sum():,.0f} / {rows[f'{name}_built'].sum():,.0f}", f"{away.mean():.1%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[*NETWORKS], choices=[*NETWORKS], metavar="NETWORK")
    parser.add_argument("--settings", nargs="*", default=[*SETTINGS], choices=[*SETTINGS], metavar="SETTING")
    parser.add_argument("--frames", type=int, default=1000, help="to simulate; 0 for none")
    parser.add_argument(
        "--most-cycles", type=int, default=4_000_000, help="of a simulation: fewer frames of slow networks"
    )
    parser.add_argument("--synthesis-s", type=float, default=600.0, help="seconds that a unit may take; 0 for none")
    parser.add_argument("--flatten", action="store_true", help="count whole networks without borders too")
    parser.add_argument("--out", type=Path, required=True, help="folder of built.csv")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    table = given.out / "built.csv"
    key = ["network", "setting"]
    for name in given.only:
        for setting in given.settings:
            start = time.monotonic()
            try:
                row, units = measured(name, setting, given)
            except HwcostError as error:
                print(name, setting, f"{error}", flush=True)
                continue
            print(name, setting, row, f"{time.monotonic() - start:.0f} s", flush=True)
            put(table, key, pd.DataFrame([{"network": name, "setting": setting} | row]))
            if len(units):
                put(given.out / "units.csv", [*key, "unit"], units.assign(network=name, setting=setting))
    rows = pd.read_csv(table)
    print(page(rows))
    if "LUT_built" in rows:
        amounts = {name: (name, f"{name}_built") for name in ("LUT", "FF")}
        (given.out / "built.png").write_bytes(error_picture(rows, amounts, LUT_BAND))
    if (given.out / "units.csv").exists():
        print(by_kind(pd.read_csv(given.out / "units.csv")))


if __name__ == "__main__":
    main()

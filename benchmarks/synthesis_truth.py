"""Comparison of mixed-precision networks with synthesis: the sum of their blocks, and the saving of one bit less.

    python benchmarks/synthesis_truth.py                  # writes reports/calibration/networks.csv and gradient.csv

LeNet, CNV and an MLP, each at three random settings of widths (2 to 8 bits per layer and operand). Every block is
synthesized as `hwcost verify` does. For the gradient, every matrix-vector unit is built again with one bit less of its
weights, and of its input. Results of Yosys are kept in the cache folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pandas as pd
from networks import Network

from hwcost.graph.ranges import dot, integers
from hwcost.graph.spec import MatVec, Window
from hwcost.models import Dataflow, Placed, place, target_fps
from hwcost.models.calibration.corpus import Unit, name_of, wire
from hwcost.models.calibration.unit_prices import price
from hwcost.models.formulas.coefficients import values
from hwcost.synth.measure import Laboratory
from hwcost.synth.parts import parts
from hwcost.synth.verify import by_layer, verify
from hwcost.synth.yosys import find

FOLDER = Path(__file__).parent.parent / "reports" / "calibration"
FPS = {"LeNet": 3000, "CNV": 300, "MLP": 30000}
RTL = values("rtl")


def _conv(net: Network, name: str, random: Random, size: Sequence[int], *, last: bool = False) -> int:
    """A convolution of (channels, rows, side, kernel) with its activation; its output side."""
    channels, rows, side, kernel = size
    out = side - kernel + 1
    square = {"image": (side,) * 2, "kernel": (kernel,) * 2, "output": (out,) * 2}
    ones = {"stride": (1, 1), "dilation": (1, 1), "padding": ((0, 0), (0, 0))}
    window = Window(channels=channels, input=net.wire, **square, **ones)  # type: ignore[arg-type] # dicts of tuples
    weight = integers(random.randint(2, 8), signed=True, narrow=True)
    net.unit(name, rows, kernel**2 * channels, weight, vectors=out**2, window=window)
    net.activation(f"{name}_act", rows, out**2, integers(random.randint(2, 6), signed=False))
    return out


def _dense(net: Network, sizes: Sequence[int], random: Random) -> None:
    for index, (cols, rows) in enumerate(pairwise(sizes)):
        net.unit(f"fc{index}", rows, cols, integers(random.randint(2, 8), signed=True, narrow=True))
        if index < len(sizes) - 2:
            net.activation(f"fc{index}_act", rows, 1, integers(random.randint(2, 6), signed=False))


def build(name: str, setting: int) -> Network:
    """A network at one of its settings."""
    random = Random(f"{name} {setting}")
    net = Network(integers(8, signed=False))
    if name == "MLP":
        _dense(net, (784, 64, 64, 10), random)
        return net
    if name == "LeNet":
        for index, (channels, rows, side) in enumerate(((3, 6, 32), (6, 16, 14))):
            out = _conv(net, f"conv{index}", random, (channels, rows, side, 5))
            net.pool(f"pool{index}", rows, out)
        _dense(net, (400, 120, 84, 10), random)
        return net
    side, channels = 32, 3
    for index, rows in enumerate((64, 64, 128, 128, 256, 256)):
        side = _conv(net, f"conv{index}", random, (channels, rows, side, 3))
        channels = rows
        if index in (1, 3):
            net.pool(f"pool{index}", rows, side)
            side //= 2
    _dense(net, (256, 512, 512, 10), random)
    return net


def designs() -> dict[str, tuple[list[Placed], Dataflow]]:
    """Nine networks, the small ones first."""
    found = {}
    for name in ("MLP", "LeNet", "CNV"):
        for setting in range(3):
            net = build(name, setting)
            folding = target_fps(net, FPS[name])
            found[f"{name} {setting}"] = (place(net.layers()), Dataflow(device="ZCU104", folding=folding))
    return found


def cut(unit: Unit, operand: str, terms: int) -> Unit:
    """The unit with one bit less; its accumulator is again exact."""
    range_ = wire(getattr(unit, operand))
    less = integers(range_.bits - 1, signed=range_.signed, narrow=float(range_.low) == -float(range_.high))
    changed = replace(unit, **{operand: name_of(less).replace("TERNARY", "INT2")})
    acc = dot(wire(changed.input), wire(changed.weight), terms)
    return replace(changed, output=name_of(acc).replace("NARROW", "INT"))


def gradient(placed: Sequence[Placed], model: Dataflow) -> list[tuple[str, str, float, Unit, Unit]]:
    """(layer, operand, PE, unit, unit with one bit less) of every matrix-vector unit that can lose a bit."""
    found = []
    terms = {item.layer: item.block.cols for item in placed if isinstance(item.block, MatVec)}
    for part in parts(placed, model):
        if part.name != "arithmetic":
            continue
        for factor, unit in part.terms or ():
            for operand in ("weight", "input"):
                if int(wire(getattr(unit, operand)).bits) > (2 if operand == "weight" else 1):
                    found.append((part.layer, operand, factor, unit, cut(unit, operand, terms[part.layer])))
    return found


def main() -> None:
    """Measure what the cache does not hold; write both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder of results; the user's cache folder without it")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    lab = Laboratory(synthesizer=find(), cache=options.cache, jobs=options.jobs)
    every = designs()
    savings = []
    for name, (placed, model) in every.items():
        rows = gradient(placed, model)
        found = lab.measure([unit for row in rows for unit in row[3:]])
        for layer, operand, factor, unit, less in rows:
            ours = factor * (price(unit, "xcup", RTL)["LUT"] - price(less, "xcup", RTL)["LUT"])
            measured = factor * (found[unit].amounts["LUT"] - found[less].amounts["LUT"])
            savings.append({"network": name, "layer": layer, "operand": operand, "LUT": ours, "LUT_measured": measured})
        print(name, "gradient", len(rows), flush=True)
        pd.DataFrame(savings).to_csv(FOLDER / "gradient.csv", index=False, lineterminator="\n")
    totals = []
    for name, (placed, model) in every.items():
        layers = by_layer(verify(placed, model, lab))
        layers.insert(0, "network", name)
        totals.append(layers)
        print(name, layers["LUT"].sum() / layers["LUT_measured"].sum(), flush=True)
        pd.concat(totals).to_csv(FOLDER / "networks.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()

"""Share of a hardware budget that one training ends with: does it fit, and does it use the budget up?

An MLP on scikit-learn's digits, budgets from loose to tight, several seeds, every way to keep a budget.

python benchmarks/budget_training.py
"""

from __future__ import annotations

import argparse
from itertools import pairwise, product
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import torch
from torch import nn

from hwcost.cost.width_table import WidthPrices
from hwcost.graph.ranges import between
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, target_fps
from hwcost.quant import QuantLinear, QuantReLU, learned_activation, learned_weight
from hwcost.train.budget import Budget
from hwcost.train.loop import Hardware, Training, evaluate, fit
from hwcost.train.penalties import Keeper, Ramp, TargetControl, WeightedCost
from hwcost.zoo.data import digits

FEATURES = (64, 64, 32, 32, 10)
LOW, START = 2, 8
HOW = (
    "augmented Lagrangian",
    "augmented Lagrangian, LUT and FF",
    "augmented Lagrangian, no landing",
    "target control (PID)",
    "target control (PID), no landing",
    "weighted cost, ramp 0.01 to 0.3",
    "weighted cost, ramp 0.01 to 0.3, no landing",
)


class MLP(nn.Sequential):
    """dense - batch norm - ReLU per entry of `FEATURES`, learned widths from 8 bits down to 2."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten())
        for before, after in pairwise(FEATURES):
            last = after == FEATURES[-1]
            weight = learned_weight(bits=START, base=LOW, per_channel=not last)
            self.append(QuantLinear(before, after, bias=False, weight_quant=weight))
            if not last:
                self.append(nn.BatchNorm1d(after))
                self.append(QuantReLU(learned_activation(bits=START, base=LOW, max_val=4.0)))


def keeper(how: str, limits: dict[str, float], steps: int) -> Keeper:
    """The part of the loss that weighs the hardware."""
    if how.startswith("weighted"):
        return WeightedCost(limits, Ramp(0.01, 0.3, steps))
    if how.startswith("target"):
        return TargetControl(limits)
    return Budget(limits, warmup=round(0.1 * steps))


def run(how: str, share: float, seed: int, epochs: int) -> dict[str, Any]:
    """One training; what it used of its budgets, in shares of them."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    data, net = digits(), MLP()
    pipeline = trace(net, data.train.x[:1], input_range=between(0, 16))
    model = Dataflow(device="PYNQ-Z1", folding=target_fps(pipeline, 400_000))
    prices = WidthPrices(net, pipeline, model)
    ends = prices.price([[LOW] * len(prices.names), [START] * len(prices.names)])
    resources = ("LUT", "FF") if how.endswith("and FF") else ("LUT",)
    limits = {name: float(ends[name][0] ** (1 - share) * ends[name][1] ** share) for name in resources}
    settings = Training(epochs=epochs, land="no landing" not in how)
    steps = epochs * data.train.steps(settings.batch)
    records = fit(net, data, settings, seed=seed, hardware=Hardware(pipeline, model, keeper(how, limits, steps)))
    use = [records[-1].cost[name] / limits[name] for name in resources]
    return {"how": how, "share": share, "seed": seed, "accuracy": evaluate(net, data.test), "use": max(use)}


def table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| how | trainings | fit | fit, use 90% | least and median use of those | accuracy, tight / loose half |",
        "|---|---|---|---|---|---|",
    ]
    for how in dict.fromkeys(row["how"] for row in rows):
        mine = [row for row in rows if row["how"] == how]
        fitting = [row["use"] for row in mine if row["use"] <= 1]
        middle = median(row["share"] for row in mine)
        halves = [fmean(row["accuracy"] for row in mine if (row["share"] < middle) == tight) for tight in (True, False)]
        well = sum(0.9 <= use for use in fitting)
        lines.append(
            f"| {how} | {len(mine)} | {len(fitting) / len(mine):.0%} | {well / len(mine):.0%} | "
            f"{min(fitting, default=0):.3f}, {median(fitting or [0]):.3f} | {halves[0]:.2%} / {halves[1]:.2%} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--how", nargs="+", choices=HOW, default=HOW)
    parser.add_argument("--budgets", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, help="Write the table there too.")
    options = parser.parse_args()
    shares = np.linspace(0.03, 0.95, options.budgets).tolist()
    rows = [
        run(how, share, seed, options.epochs) for how, share, seed in product(options.how, shares, range(options.seeds))
    ]
    text = "\n".join(
        [
            "# One training, one budget",
            "",
            "Written by `python benchmarks/budget_training.py`: an MLP on scikit-learn's digits; features",
            f"{'-'.join(map(str, FEATURES))}, {options.epochs} epochs, {options.seeds} seeds;",
            f"{options.budgets} budgets from tight (3% of the way, in logarithms, from all widths at",
            f"{LOW} bits to all at {START}) to loose (95%). Of several resources, the one that is used up most counts.",
            "Accuracy on the test split.",
            "",
            *table(rows),
        ]
    )
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()

"""Epochs that a warm start needs: digits networks with one width everywhere, from the weights of others.

The figures behind `hwcost.sweep.trial.STRETCH`. Each split of the digits is trained and tested separately.

    python benchmarks/warm_starts.py --splits 12
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import torch
from optuna.distributions import IntDistribution
from torch import nn

from hwcost.cli.network import find_recipe
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.settings import Settings
from hwcost.sweep.study_files import save_net
from hwcost.sweep.trial import design, priced_space
from hwcost.sweep.warm_start import start_from
from hwcost.train.loop import evaluate, fit
from hwcost.zoo.data import digits

BITS = (1, 8)
REGIMES = (
    (5, 8, "float"), (5, 40, "float"), (4, 8, "float"), (4, 40, "float"), (3, 8, "float"), (3, 16, "float"),
    (3, 40, "float"), (3, 8, "4 bits, 8 epochs from float"), (2, 40, "float"), (2, 8, "3 bits, 40 epochs from float"),
    (2, 16, "3 bits, 40 epochs from float"), (2, 8, "5 bits, 40 epochs from float"),
    (1, 8, "2 bits, 40 epochs from float"), (1, 16, "2 bits, 40 epochs from float"), (1, 40, "float"),
    (3, 8, "2 bits, 40 epochs from float"), (5, 8, "2 bits, 40 epochs from float"),
)  # fmt: skip
"""Bits of every width (of weights at least 2), epochs, and the network they start from."""


def regimes(split: int, folder: Path) -> dict[str, float]:
    """Regime -> test accuracy."""
    data, recipe = digits(seed=split), find_recipe("digits")
    sweep = Experiment(recipe, Settings(recipe="digits", out=folder, seed=split, bits=BITS))
    prices = priced_space(sweep, data)
    assert prices is not None
    least = {name: choices.low for name, choices in prices.space.items() if isinstance(choices, IntDistribution)}
    torch.manual_seed(split)
    plain = sweep.float_network()
    fit(plain, data, recipe.training, seed=split)
    nets: dict[str, nn.Module] = {"float": plain}
    for bits, epochs, start in REGIMES:
        net = design(sweep, {name: max(bits, low) for name, low in least.items()}, data, split).net
        save_net(nets[start], folder / "start.pt")
        start_from(net, folder / "start.pt")
        fit(net, data, replace(recipe.training, epochs=epochs), seed=split)
        nets[f"{bits} bit{'s' * (bits > 1)}, {epochs} epochs from {start.partition(',')[0]}"] = net
    return {name: evaluate(net, data.test) for name, net in nets.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=12)
    options = parser.parse_args()
    if options.splits < 2:
        parser.error("--splits: at least 2, for an error of the mean")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = [regimes(split, Path(folder)) for split in range(1, options.splits + 1)]
    print("| network | test accuracy | error of the mean |\n|---|---|---|")
    for name in found[0]:
        figures = [one[name] for one in found]
        print(f"| {name} | {mean(figures):.4f} | {stdev(figures) / len(figures) ** 0.5:.4f} |")


if __name__ == "__main__":
    main()

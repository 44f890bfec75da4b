"""Test accuracy of the last epoch and of the best one by validation accuracy, on digits (360 validation images).

Each split of the digits is trained and tested separately. "flattered" is validation minus test accuracy: the amount by
which a front of validation figures is too optimistic. `hwcost.train.loop.fit` keeps the last epoch for this reason.

    python benchmarks/last_epoch.py --splits 24
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import torch

from hwcost.cli.network import find_recipe
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.settings import Settings
from hwcost.sweep.study_files import save_net
from hwcost.sweep.trial import design, priced_space
from hwcost.sweep.warm_start import start_from
from hwcost.train.loop import Epoch, evaluate, fit
from hwcost.zoo.data import digits

TRAININGS = (
    ("2 bits, 20 epochs", 2, 20, False),
    ("2 bits from float, 20 epochs", 2, 20, True),
    ("4 bits from float, 8 epochs", 4, 8, True),
    ("8 bits from float, 8 epochs", 8, 8, True),
)
"""Name, bits of every width, epochs, whether it starts from the float network."""

Accuracies = list[tuple[float, float]]
"""Validation and test accuracy of each epoch."""


def trained(split: int, folder: Path) -> dict[str, Accuracies]:
    """Name of a training -> its epochs."""
    data, recipe = digits(seed=split), find_recipe("digits")
    sweep = Experiment(recipe, Settings(recipe="digits", out=folder, seed=split, bits=(2, 8)))
    prices = priced_space(sweep, data)
    assert prices is not None
    torch.manual_seed(split)
    plain = sweep.float_network()
    fit(plain, data, recipe.training, seed=split)
    save_net(plain, folder / "float.pt")
    found: dict[str, Accuracies] = {}
    for name, bits, epochs, warm in TRAININGS:
        net = design(sweep, dict.fromkeys(prices.space, bits), data, split).net
        if warm:
            start_from(net, folder / "float.pt")
        found[name] = rows = []

        def look(epoch: Epoch, net: torch.nn.Module = net, rows: Accuracies = rows) -> None:
            rows.append((epoch.accuracy, evaluate(net, data.test)))

        fit(net, data, replace(recipe.training, epochs=epochs), seed=split, on_epoch=look)
    return found


def best(epochs: Accuracies) -> tuple[float, float]:
    """Best epoch by validation accuracy; the last of several equal ones."""
    return max(reversed(epochs), key=lambda epoch: epoch[0])


def row(name: str, which: str, kept: Accuracies) -> str:
    flattered = [validation - test for validation, test in kept]
    figures = mean(one[0] for one in kept), mean(one[1] for one in kept), mean(flattered)
    return f"| {name} | {which} | {' | '.join(f'{figure:.4f}' for figure in figures)} +- {stdev(flattered):.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=24)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = [trained(split, Path(folder)) for split in range(1, options.splits + 1)]
    print("| training | epoch kept | validation | test | flattered |\n|---|---|---|---|---|")
    for name, *_ in TRAININGS:
        print(row(name, "best", [best(one[name]) for one in found]))
        print(row(name, "last", [one[name][-1] for one in found]))


if __name__ == "__main__":
    main()

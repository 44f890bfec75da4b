"""How many epochs a warm start needs: digits networks with all widths alike, from the start and from others' weights.

The figures behind `hwcost.search.parents.FAR`. Each split of the digits is trained and tested by itself.

    python benchmarks/warm_starts.py --splits 10
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch
from torch import nn

from hwcost.cli.network import find_recipe
from hwcost.exploration import Sweep
from hwcost.records import save_net
from hwcost.train import evaluate, fit
from hwcost.trial import design, priced_space
from hwcost.warm import start_from
from hwcost.zoo.data import digits

WHOLE, SHORT = 20, 8
"""Epochs: of the recipe's training, and of a warm trial in `real_nets.py`."""


def regimes(split: int, folder: Path) -> dict[str, float]:
    """Regime -> test accuracy."""
    data, recipe = digits(seed=split), find_recipe("digits")
    sweep = Sweep(recipe=recipe, reference="digits", out=folder, seed=split, bits=(2, 8))
    prices = priced_space(sweep, data)
    assert prices is not None
    names = list(prices.space)
    torch.manual_seed(split)
    plain = sweep.network(None)
    fit(plain, data, recipe.training, seed=split)
    nets: dict[str, nn.Module] = {"float": plain}

    def train(name: str, bits: int, epochs: int, start: str | None = None) -> None:
        net = design(sweep, dict.fromkeys(names, bits), data, split).net
        if start is not None:
            save_net(nets[start], folder / "start.pt")
            start_from(net, folder / "start.pt")
        fit(net, data, replace(recipe.training, epochs=epochs), seed=split)
        nets[name] = net

    train("2 bits", 2, WHOLE)
    train("2 bits, twice as long", 2, 2 * WHOLE)
    train("2 bits from float", 2, SHORT, "float")
    train("2 bits from float, a whole training", 2, WHOLE, "float")
    train("2 bits from float, twice as long", 2, 2 * WHOLE, "float")
    train("8 bits from float", 8, SHORT, "float")
    train("4 bits from 8", 4, SHORT, "8 bits from float")
    train("2 bits from 4", 2, SHORT, "4 bits from 8")
    return {name: evaluate(net, data.test) for name, net in nets.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = [regimes(split, Path(folder)) for split in range(1, options.splits + 1)]
    print("| regime | test accuracy |\n|---|---|")
    for name in found[0]:
        print(f"| {name} | {mean(one[name] for one in found):.4f} |")


if __name__ == "__main__":
    main()

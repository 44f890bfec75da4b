"""Accuracy after calibration alone, against training with quantizers from the same float network and from nothing.

    python benchmarks/post_training.py            # scikit-learn's digits
    HWCOST_SETS=DIR python benchmarks/post_training.py fashion-mnist

prints test accuracy in percent, mean of the seeds: float; int4 with thresholds of 6, uncalibrated; each method alone;
calibrated (thresholds, biases, batch norms); and quantization-aware training of 5 epochs, from the float network and
from random weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.quant import calibrate, calibrate_scales, convert

Set = tuple[Tensor, Tensor, Tensor, Tensor]


def _network(side: int, channels: int) -> nn.Module:
    small = side // 4
    return nn.Sequential(
        *(nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.BatchNorm2d(2 * channels), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(2 * channels * small**2, 64), nn.ReLU(), nn.Linear(64, 10)),
    )


def digits() -> Set:
    """Load the 8x8 digits, 300 of which are kept for the test."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = torch.tensor(x / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images[order], torch.tensor(y)[order]
    return images[300:], labels[300:], images[:300], labels[:300]


def fashion_mnist() -> Set:
    """Load Fashion-MNIST from the folder HWCOST_SETS."""
    found = np.load(Path(os.environ["HWCOST_SETS"]) / "fashion_mnist.npz")
    images = (torch.tensor(found[f"X_{part}"], dtype=torch.float32).unsqueeze(1) / 255 for part in ("train", "test"))
    labels = (torch.tensor(found[f"y_{part}"].astype(np.int64)) for part in ("train", "test"))
    (x, test_x), (y, test_y) = images, labels
    return x, y, test_x, test_y


def fit(net: nn.Module, data: Set, epochs: int, lr: float, seed: int) -> nn.Module:
    """Train with AdamW and a one-cycle schedule."""
    x, y, *_ = data
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=1e-4)
    steps = epochs * (len(x) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x))[: len(x) // 128 * 128].reshape(-1, 128):
            optimizer.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return net


@torch.no_grad()
def accuracy(net: nn.Module, data: Set) -> float:
    """Share of the test samples that are classified rightly, in percent."""
    *_, x, y = data
    net.eval()
    scores = torch.cat([net(part) for part in x.split(1000)])
    return 100 * float((scores.argmax(1) == y).float().mean())


@click.command()
@click.argument("name", type=click.Choice(["digits", "fashion-mnist"]), default="digits")
@click.option("--seeds", default=3, help="Seeds to average over.")
@click.option("--epochs", default=8, help="Epochs of the float training.")
@click.option("--policy", default="int4", help="Preset of hwcost.quant.convert.")
def main(name: str, seeds: int, epochs: int, policy: str) -> None:
    """Compare calibration with training."""
    data = digits() if name == "digits" else fashion_mnist()
    side, channels = data[0].shape[-1], 16
    samples = [part for part in data[0][:2048].split(256)]
    rows: dict[str, list[float]] = {}

    def note(title: str, net: nn.Module) -> None:
        rows.setdefault(title, []).append(accuracy(net, data))

    for seed in range(seeds):
        torch.manual_seed(seed)
        start = _network(side, channels)
        net = fit(deepcopy(start), data, epochs * (4 if name == "digits" else 1), 5e-3, seed)
        note("float", net)
        ways: dict[str, Callable[[nn.Module], object]] = {
            "thresholds of 6": lambda made: None,
            **{
                f"{way} alone": lambda made, way=way: calibrate_scales(made, samples, method=way)
                for way in ("max", "percentile", "mse")
            },
            "calibrated": lambda made: calibrate(made, samples),
        }
        for title, calibrated in ways.items():
            made = convert(deepcopy(net), policy)
            calibrated(made)
            note(title, made)
        note("trained 5 epochs from float", fit(made, data, 5, 2e-3, seed))
        note("trained 5 epochs from nothing", fit(convert(deepcopy(start), policy), data, 5, 5e-3, seed))
    for title, scores in rows.items():
        click.echo(f"{title:32}{sum(scores) / len(scores):7.2f}  ({min(scores):.2f} to {max(scores):.2f})")


if __name__ == "__main__":
    main()

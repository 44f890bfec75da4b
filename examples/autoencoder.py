"""A network without classes: the autoencoder of MLPerf Tiny, trained inside a budget to find strange samples.

    python examples/autoencoder.py --steps 300

Its sounds are made here: normal ones lie near a plane of few dimensions, strange ones do not. Put your own in `sounds`.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

import hwcost
from hwcost.zoo.autoencoder import FEATURES, Autoencoder, reconstruction_error, separation
from hwcost.zoo.precision import Precision

HIDDEN_CAUSES = 4


def sounds(count: int, *, strange: bool, seed: int) -> Tensor:
    """(count, 640) standardised features."""
    mixing = torch.randn(HIDDEN_CAUSES, FEATURES, generator=torch.Generator().manual_seed(0)) / HIDDEN_CAUSES**0.5
    draw = torch.Generator().manual_seed(seed)
    normal = torch.randn(count, HIDDEN_CAUSES, generator=draw) @ mixing
    noise = 0.5 if strange else 0.1
    return normal + noise * torch.randn(count, FEATURES, generator=draw)


def main() -> None:
    """Train, and print what it came to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    torch.manual_seed(0)

    net = Autoencoder(Precision(2, 2, learned=True))
    pipeline = hwcost.trace(net, torch.zeros(1, FEATURES))  # no input_bits: its first layer quantizes the features
    fpga = hwcost.Dataflow(device="PYNQ-Z1", folding=hwcost.target_fps(pipeline, 10_000))
    cost = hwcost.LiveCost(net, pipeline, fpga)
    start = cost()["LUT"].item()
    budget = hwcost.Budget({"LUT": 0.7 * start}, strength=10.0)
    groups = hwcost.parameter_groups(net, lr=3e-3, width_lr=0.3, weight_decay=1e-4)
    optimizers = [torch.optim.AdamW([groups.weights, groups.rest]), torch.optim.SGD([groups.widths])]
    x = sounds(2048, strange=False, seed=1)
    for step in range(options.steps):
        used = cost()
        batch = x[(128 * step) % len(x) :][:128]
        loss = reconstruction_error(net, batch).mean() + budget.penalty(used)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        budget.update(used)

    net.eval()
    with torch.no_grad():
        normal, strange = (reconstruction_error(net, sounds(256, strange=odd, seed=2)) for odd in (False, True))
    area = separation(strange, normal)
    print(f"LUT {start:.0f} -> {cost()['LUT'].item():.0f} of {budget.limits['LUT']:.0f}, area under ROC {area:.3f}")


if __name__ == "__main__":
    main()

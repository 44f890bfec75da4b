"""A plain PyTorch loop inside a budget, with what large networks need: compile, bfloat16, accumulation, checkpoints.

    python examples/plain_loop.py --steps 200

It trains the small CNN of `hwcost sweep` on scikit-learn's digits.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

import hwcost
from hwcost.graph.ranges import between
from hwcost.zoo.cnn import SmallCNN, Widths
from hwcost.zoo.data import digits

ACCUMULATED = 2


def main() -> None:
    """Train, and print what it came to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="optimizer steps")
    parser.add_argument("--share", type=float, default=0.7, help="budget, as a share of what the start uses")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    options = parser.parse_args()
    torch.manual_seed(0)

    data = digits()
    net = SmallCNN(
        image=(1, 8, 8), channels=(8, 16), hidden=32, classes=10, widths=Widths(conv=2, dense=2, activation=2)
    )
    pipeline = hwcost.trace(net, data.train.x[:1], input_range=between(0, 16))
    fpga = hwcost.Dataflow(device="PYNQ-Z1", folding=hwcost.target_fps(pipeline, 100_000))
    cost = hwcost.LiveCost(net, pipeline, fpga)  # hardware_cost, remembering what it has priced
    start = cost()["LUT"].item()
    budget = hwcost.Budget({"LUT": options.share * start}, strength=10.0)

    groups = hwcost.parameter_groups(net, lr=4e-3, width_lr=0.3, weight_decay=1e-4)
    optimizers = [torch.optim.AdamW([groups.weights, groups.rest]), torch.optim.SGD([groups.widths])]
    forward = torch.compile(net) if options.compile else net

    batches = iter(())
    shuffle = torch.Generator().manual_seed(0)
    for _ in range(options.steps):
        for _ in range(ACCUMULATED):
            pair = next(batches, None)
            if pair is None:
                batches = data.train.batches(64, shuffle=shuffle)
                pair = next(batches)
            x, y = pair
            with torch.autocast("cpu", dtype=torch.bfloat16):
                scores = forward(x) if options.compile else checkpoint(forward, x, use_reentrant=False)
            (F.cross_entropy(scores.float(), y) / ACCUMULATED).backward()
        used = cost()  # once per optimizer step, whatever was accumulated
        budget.penalty(used).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        budget.update(used)

    accuracy = hwcost.evaluate(net, data.validation)
    print(f"LUT {start:.0f} -> {cost()['LUT'].item():.0f} of {budget.limits['LUT']:.0f}, accuracy {accuracy:.1%}")


if __name__ == "__main__":
    main()

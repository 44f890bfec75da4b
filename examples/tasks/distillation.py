"""Distillation: a network learns from labels and from a larger one in float."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import nn

import hwcost
from hwcost.graph.ranges import between
from hwcost.train.run import Run
from hwcost.zoo.data import digits
from hwcost.zoo.floors import floors
from hwcost.zoo.mlp import MLP

SOFT = 2.0
"""Temperature: how much the teacher says of the labels that it did not choose."""


@lru_cache
def teacher() -> nn.Module:
    """Stand in for your own: torch.load(...)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = MLP((64, 96, 96, 10), None)
        hwcost.fit(net, digits(), hwcost.Training(epochs=10, lr=8e-3), seed=0)
    return net.eval()


def train(net: nn.Module, run: Run) -> None:
    """Train a network of the study; the float network learns from the teacher, too."""
    groups = hwcost.parameter_groups(net, lr=run.training.lr, width_lr=0.02, weight_decay=1e-4)
    optimizer, order = torch.optim.AdamW(groups), torch.Generator().manual_seed(run.seed)
    guide = teacher()
    for epoch in range(run.training.epochs):
        if epoch == run.training.epochs - run.training.settling_epochs:
            run.land()
        net.train()
        for x, y in run.data.batches(run.training.batch, shuffle=order):
            out = net(x)
            with torch.no_grad():
                target = F.softmax(guide(x) / SOFT, 1)
            loss = F.cross_entropy(out, y) + F.cross_entropy(out / SOFT, target) + run.penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.update()
        run.report(float(loss.detach()))


recipe = hwcost.Recipe(
    name="distillation", data=lambda path: digits(), input=between(0, 16), train=train, example=(1, 8, 8),
    training=hwcost.Training(epochs=6, lr=8e-3, budget_strength=10.0), device="PYNQ-Z1", fps=100_000,
    **floors(lambda precision: MLP((64, 32, 10), precision)),
)  # fmt: skip

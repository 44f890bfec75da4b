"""A training of one's own: AdamW with a linear warm-up and a cosine, widths with an SGD of their own."""

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

import hwcost
from hwcost.graph.ranges import between
from hwcost.train.run import Run
from hwcost.zoo.data import digits
from hwcost.zoo.floors import floors
from hwcost.zoo.mlp import MLP


def train(net: nn.Module, run: Run) -> None:
    """Train a network of the study: float or quantized, and once more with the validation samples in a refit."""
    settings, order = run.training, torch.Generator().manual_seed(run.seed)
    groups = hwcost.parameter_groups(net, lr=settings.lr, width_lr=0.3, weight_decay=1e-2)
    weights, widths = torch.optim.AdamW([groups.weights, groups.rest]), torch.optim.SGD([groups.widths])
    steps = settings.epochs * run.data.train.steps(settings.batch)
    warm = max(1, steps // 10)
    parts = [LinearLR(weights, 0.1, total_iters=warm), CosineAnnealingLR(weights, max(1, steps - warm))]
    schedule = SequentialLR(weights, parts, [warm])
    for epoch in range(settings.epochs):
        if epoch == settings.epochs - settings.settling_epochs:
            run.land()  # widths to whole bits inside the budget; the weights settle
        net.train()
        for x, y in run.data.batches(settings.batch, shuffle=order):
            loss = run.task.loss(net(x), x, y) + run.penalty()
            net.zero_grad()
            loss.backward()
            weights.step()
            widths.step()
            schedule.step()
            run.update()
        run.report(float(loss.detach()))


recipe = hwcost.Recipe(
    name="cosine", data=lambda path: digits(), input=between(0, 16), train=train, example=(1, 8, 8),
    training=hwcost.Training(epochs=6, lr=1e-2, budget_strength=10.0), device="PYNQ-Z1", fps=100_000,
    **floors(lambda precision: MLP((64, 32, 10), precision)),
)  # fmt: skip

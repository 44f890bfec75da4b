"""One plain training loop: the task loss, the budget's penalty, and a record of every epoch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import cos, isfinite, pi
from typing import Any

import torch
from torch import nn

from hwcost.errors import DivergedTraining
from hwcost.quant import parameter_groups
from hwcost.quant.dense_stack import stacked
from hwcost.train.data import Data
from hwcost.train.ready_tasks import CLASSIFICATION
from hwcost.train.run import Epoch as Epoch
from hwcost.train.run import Hardware as Hardware
from hwcost.train.run import Run
from hwcost.train.run import Training as Training
from hwcost.train.run import evaluate as evaluate
from hwcost.train.task import Task
from hwcost.train.tree import called


def fit(
    net: nn.Module,
    data: Data,
    settings: Training,
    *,
    seed: int,
    hardware: Hardware | None = None,
    task: Task = CLASSIFICATION,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train a network, with or without a hardware budget.

    Widths learn until the settling phase; there they land in the budget (`hwcost.train.width_repair`), and then the
    cost stands still. The network stays as the last epoch leaves it, where the learning rate has come to its end: to
    choose among epochs by their validation accuracy flatters it, by 0.003 to 0.010 on 360 images, and gains nothing on
    test data (`benchmarks/last_epoch.py`). The test split is not touched.

    Args:
        net: the network; trained in place.
        data: its training and validation splits are used.
        settings: see `Training`.
        seed: of the order of the samples; the same seed gives the same training, bit for bit, on one thread.
        hardware: what prices the network, and the budget that joins the loss; None for a float network.
        task: what it is trained for, and judged by.
        on_epoch: called with each finished epoch.

    Returns:
        One record per epoch.

    Raises:
        DivergedTraining: the loss is NaN or infinite; the message names the epoch.
    """
    run = Run(net=net, data=data, training=settings, seed=seed, hardware=hardware, task=task, on_epoch=on_epoch)
    train(net, run)
    return run.epochs


def train(net: nn.Module, run: Run) -> None:
    """Train as `fit` does: the training of a `Recipe` that brings none of its own.

    Args:
        net: trained in place.
        run: what the training is given, and where it reports its epochs.

    Raises:
        DivergedTraining: as `fit`.
    """
    loop, settings = _Loop(net, run), run.training
    first_settling = 1 + settings.epochs - settings.settling_epochs
    for number in range(1, settings.epochs + 1):
        if number == first_settling:
            run.land(freeze=False)  # the loop leaves them alone, and a caller may train them on
        run.report(loop.epoch(number))


class _Loop:
    """The optimizers of one training."""

    def __init__(self, net: nn.Module, run: Run) -> None:
        self.net, self.run, settings = net, run, run.training
        self.order = torch.Generator().manual_seed(run.seed)
        groups = parameter_groups(net, lr=settings.lr, width_lr=settings.width_lr, weight_decay=settings.weight_decay)
        self.parameters = list(net.parameters())
        fused = settings.width_rule == "adam" and all(one.is_cpu for one in self.parameters)
        # thousands of widths in a small network, which waits for Python: one kernel for a group, of another rounding
        self.weights = torch.optim.AdamW([groups.weights, groups.rest], fused=fused or None)
        self.widths = (
            torch.optim.SGD([groups.widths])
            if settings.width_rule == "sgd"
            else torch.optim.Adam([groups.widths], fused=fused or None)
        )
        self.schedule = _schedule(self.weights, settings, settings.epochs * run.data.train.steps(settings.batch))

    def epoch(self, number: int) -> float:
        """Mean loss over the batches of one epoch."""
        self.net.train()
        self.forward = stacked(self.net) or partial(called, self.net)
        losses = []
        for x, y in self.run.data.batches(self.run.training.batch, shuffle=self.order):
            losses.append(self._step(x, y))
            if not isfinite(losses[-1]):
                raise DivergedTraining(f"epoch {number}: the loss is {losses[-1]}; lower the learning rate")
        return sum(losses) / len(losses)

    def _step(self, x: Any, y: Any) -> float:
        loss = self.run.task.loss(self.forward(x), x, y)
        if not self.run.settled and self.run.budget is not None:
            loss = loss + self.run.penalty().to(loss.dtype)
        for one in self.parameters:
            one.grad = None
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.weights.step()
        self.schedule.step()
        if not self.run.settled:
            self.widths.step()
        self.run.update()
        return float(loss.detach())


RISE, LEAST_RATE = 200, 0.1
"""Steps over which the cosine schedule rises, at most a tenth of all, and the share of the rate that it falls to."""


def _schedule(optimizer: torch.optim.Optimizer, settings: Training, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    if settings.schedule == "cycle":
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=settings.lr, total_steps=steps)
    rise = max(1, min(RISE, steps // 10))

    def share(step: int) -> float:
        fallen = LEAST_RATE + (1 - LEAST_RATE) * (1 + cos(pi * min(1.0, step / steps))) / 2
        return min(1.0, (step + 1) / rise) * fallen

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)

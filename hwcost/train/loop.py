"""One plain training loop: the task loss, the budget's penalty, and a record of every epoch."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hwcost.cost.bill import Bill, layer_bits, price
from hwcost.cost.cached import LiveCost
from hwcost.errors import BadOption, DivergedTraining
from hwcost.graph.trace import Pipeline
from hwcost.models.resources import HardwareModel
from hwcost.quant import parameter_groups
from hwcost.train.data import Data, Split, joined
from hwcost.train.penalties import Keeper
from hwcost.train.task import CLASSIFICATION, Task
from hwcost.train.width_repair import Landing


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of one training.

    Attributes:
        epochs: passes over the training split, a whole number, at least 1.
        batch: samples per step, a whole number, at least 1.
        lr: peak learning rate of weights and scales (AdamW, one cycle), above 0.
        weight_decay: of weights only; scales, widths, biases and norms never decay, at least 0.
        width_lr: step size of the learned bit-widths (plain SGD: a layer that costs more moves more), at least 0.
        settle: share of the epochs, at the end, in which widths are frozen and the weights settle; 0 to 1, and always
            at least the last epoch.
        land: whether the widths that training found are moved by whole bits into the budget, before they settle;
            a width_lr of 0 keeps them all.
        keep: how the budget weighs in the loss: "lagrangian" (`Budget`), "target" (`TargetControl`, which also fills it
            up), or "weighted" (`WeightedCost`, which cannot tell when it is kept).
        budget_strength, budget_rate: of the `Budget`; the strength is also the start of the target control, and the
            weight of the weighted cost.
        ramp: factor by which the weighted cost grows up to its weight while the widths learn, at least 1.
        warmup: share of the steps over which the budget grows to its strength; 0 to 1.
    """

    epochs: int = 16
    batch: int = 64
    lr: float = 4e-3
    weight_decay: float = 1e-4
    width_lr: float = 0.3
    settle: float = 0.35
    land: bool = True
    keep: Literal["lagrangian", "target", "weighted"] = "lagrangian"
    ramp: float = 1.0
    budget_strength: float = 1.0
    budget_rate: float = 0.05
    warmup: float = 0.1

    def __post_init__(self) -> None:
        for name, least in (
            ("epochs", 1),
            ("batch", 1),
            ("weight_decay", 0),
            ("width_lr", 0),
            ("warmup", 0),
            ("ramp", 1),
        ):
            value = getattr(self, name)
            whole = name in ("epochs", "batch")
            if (
                not isfinite(value)
                or value < least
                or (whole and (isinstance(value, bool) or not isinstance(value, int)))
            ):
                raise BadOption(f"training: {name}={value}; give a {'whole ' * whole}number of at least {least}")
        if not isfinite(self.lr) or self.lr <= 0:
            raise BadOption(f"training: lr={self.lr}; give a finite number above 0")
        if self.keep not in ("lagrangian", "target", "weighted"):
            raise BadOption(f"training: keep={self.keep!r}; give 'lagrangian', 'target' or 'weighted'")
        if not 0 <= self.settle <= 1 or self.warmup > 1:
            raise BadOption(f"training: settle={self.settle}, warmup={self.warmup}; give shares of 1")

    @property
    def settling_epochs(self) -> int:
        """Epochs in which widths are frozen."""
        return max(1, round(self.settle * self.epochs))


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The record of one epoch.

    Attributes:
        epoch: from 1.
        loss: mean training loss, task and penalty.
        accuracy: the score of the task on the validation split.
        cost: resource -> amount at the end of the epoch; empty without a hardware model.
        widths: layer -> {"weight_bits": ..., "output_bits": ...} at the end of the epoch.
    """

    epoch: int
    loss: float
    accuracy: float
    cost: dict[str, float]
    widths: dict[str, dict[str, int]]

    def record(self) -> dict[str, object]:
        """The record as plain data, for JSON."""
        return asdict(self)


def evaluate(net: nn.Module, split: Split, *, batch: int = 1024, task: Task = CLASSIFICATION) -> float:
    """Score of a network on a split, in eval mode; the modes of its modules are restored."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    figures, targets = [], []
    try:
        with torch.no_grad():
            for x, y in split.batches(batch):
                figures.append(task.judge(net(x), x, y))
                targets.append(y)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return task.scored(joined(figures), joined(targets))


@dataclass(frozen=True)
class Hardware:
    """The hardware that a training prices its network on.

    Attributes:
        pipeline: of the network, from `trace`.
        model: that prices it, e.g. `Dataflow`.
        budget: `Budget`, or one of `hwcost.train.penalties`, added to the loss; None records the cost alone.
    """

    pipeline: Pipeline
    model: HardwareModel
    budget: Keeper | None = None


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
    loop = _Loop(net, data, settings, seed, hardware, task)
    epochs: list[Epoch] = []
    for number in range(1, settings.epochs + 1):
        settling = number > settings.epochs - settings.settling_epochs
        if number == 1 + settings.epochs - settings.settling_epochs:
            loop.land()
        loss = loop.run_epoch(number, widths_learn=not settling)
        epochs.append(loop.record(number, loss))
        if on_epoch is not None:
            on_epoch(epochs[-1])
    return epochs


class _Loop:
    """The moving parts of one training."""

    def __init__(
        self,
        net: nn.Module,
        data: Data,
        settings: Training,
        seed: int,
        hardware: Hardware | None,
        task: Task,
    ) -> None:
        self.net, self.data, self.settings, self.task = net, data, settings, task
        self.hardware = hardware
        self.budget = None if hardware is None else hardware.budget
        self.order = torch.Generator().manual_seed(seed)
        groups = parameter_groups(net, lr=settings.lr, width_lr=settings.width_lr, weight_decay=settings.weight_decay)
        self.weights = torch.optim.AdamW([groups.weights, groups.rest])
        self.widths = torch.optim.SGD([groups.widths])
        self.cost: LiveCost | None = None
        self.landing: Landing | None = None
        if hardware is not None and self.budget is not None:
            self.cost = LiveCost(net, hardware.pipeline, hardware.model, self.budget.limits)
            if settings.land and settings.width_lr > 0:
                self.landing = Landing(net, hardware.pipeline, hardware.model, self.budget.limits)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.weights, max_lr=settings.lr, total_steps=settings.epochs * data.train.steps(settings.batch)
        )

    def land(self) -> None:
        """Move the widths into the budget, where there is one."""
        if self.landing is not None:
            self.landing()

    def run_epoch(self, number: int, *, widths_learn: bool) -> float:
        """Mean loss over the batches of one epoch."""
        self.net.train()
        losses = []
        augment = self.data.augment
        for x, y in self.data.train.batches(self.settings.batch, shuffle=self.order):
            losses.append(self._step(x if augment is None else augment(x), y, widths_learn))
            if not isfinite(losses[-1]):
                raise DivergedTraining(f"epoch {number}: the loss is {losses[-1]}; lower the learning rate")
        return sum(losses) / len(losses)

    def _step(self, x: Tensor, y: Any, widths_learn: bool) -> float:
        loss = self.task.loss(self.net(x), x, y)
        used = None
        if self.budget is not None and widths_learn and self.cost is not None:
            used = self.cost()
            loss = loss + self.budget.penalty(used).to(loss.dtype)
        self.net.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.weights.step()
        self.schedule.step()
        if widths_learn:
            self.widths.step()
        if self.budget is not None and used is not None:
            self.budget.update(used)
        return float(loss.detach())

    def record(self, number: int, loss: float) -> Epoch:
        bill = self._bill()
        return Epoch(
            epoch=number,
            loss=loss,
            accuracy=evaluate(self.net, self.data.validation, task=self.task),
            cost={} if bill is None else {name: float(amount) for name, amount in bill.total().items()},
            widths={} if bill is None else {layer.name: layer_bits(layer) for layer in bill.layers if layer.blocks},
        )

    def _bill(self) -> Bill | None:
        if self.hardware is None:
            return None
        with torch.no_grad():
            return price(self.hardware.pipeline, self.hardware.model)

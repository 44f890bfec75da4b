"""One training: its settings, what it is given besides the network, and what it records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hwcost.cost.bill import layer_bits, price
from hwcost.cost.cached import LiveCost
from hwcost.cost.channel_pipeline import ChannelPipeline
from hwcost.cost.width_proxy import learned_widths
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline
from hwcost.models.resources import HardwareModel
from hwcost.quant import freeze_widths
from hwcost.train.data import Data
from hwcost.train.penalties import Keeper
from hwcost.train.ready_tasks import CLASSIFICATION
from hwcost.train.split import Split
from hwcost.train.task import Task
from hwcost.train.tree import called, joined
from hwcost.train.width_repair import Landing


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of one training.

    Attributes:
        epochs: passes over the training split, a whole number, at least 1.
        batch: samples per step, a whole number, at least 1.
        lr: peak learning rate of weights and scales (AdamW, one cycle), above 0.
        weight_decay: of weights only; scales, widths, biases and norms never decay, at least 0.
        width_lr: step size of the learned bit-widths, at least 0.
        width_rule: "sgd" (a layer that costs more moves more) or "adam" (a width moves by about `width_lr` bits a step
            whatever its gradient: for widths per channel or per weight, two to three times `lr`).
        schedule: of lr: "cycle" (one cycle, to nearly 0) or "cosine" (a short rise, then down to a tenth, so that
            weights still follow widths that fall to the end).
        price_every: steps that share one price of a network whose cost depends on more than whole widths.
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
    width_rule: Literal["sgd", "adam"] = "sgd"
    schedule: Literal["cycle", "cosine"] = "cycle"
    price_every: int = 1
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
            ("price_every", 1),
        ):
            value = getattr(self, name)
            whole = name in ("epochs", "batch", "price_every")
            if (
                not isfinite(value)
                or value < least
                or (whole and (isinstance(value, bool) or not isinstance(value, int)))
            ):
                raise BadOption(f"training: {name}={value}; give a {'whole ' * whole}number of at least {least}")
        if not isfinite(self.lr) or self.lr <= 0:
            raise BadOption(f"training: lr={self.lr}; give a finite number above 0")
        for name, known in (
            ("keep", ("lagrangian", "target", "weighted")),
            ("width_rule", ("sgd", "adam")),
            ("schedule", ("cycle", "cosine")),
        ):
            if getattr(self, name) not in known:
                raise BadOption(f"training: {name}={getattr(self, name)!r}; give one of {', '.join(known)}")
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
        settled: whether the widths stand still from now on, and with them the cost.
    """

    epoch: int
    loss: float
    accuracy: float
    cost: dict[str, float]
    widths: dict[str, dict[str, int]]
    settled: bool = False

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
                figures.append(task.judge(called(net, x), x, y))
                targets.append(y)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return task.scored(joined(figures), joined(targets))


@dataclass(frozen=True)
class Hardware:
    """The hardware that a training prices its network on.

    Attributes:
        pipeline: of the network, from `trace`, or `trace_channels` for channels that learn.
        model: that prices it, e.g. `Dataflow`.
        budget: `Budget`, or one of `hwcost.train.penalties`, added to the loss; None records the cost alone.
    """

    pipeline: Pipeline | ChannelPipeline
    model: HardwareModel
    budget: Keeper | None = None


@dataclass(kw_only=True, eq=False)
class Run:
    """A training of one network: what a function for `Recipe(train=...)` is given, and how it tells what came of it.

    The same function trains the float network of a study, where nothing is priced: `cost` is empty, `penalty` 0.

    Attributes:
        net: that is trained, with the weights to start from.
        data: its training and validation splits are for the training; the test split is not touched.
        training: the settings of the recipe; `epochs` and `lr` are those of this training.
        seed: of all randomness of this training; PyTorch's own generator is seeded with it.
        hardware: that prices the network; None for a float network.
        task: loss and score.
        params: parameters of the trial; empty for the float network.
        parent: the weights that `net` starts from, of a finished trial, of the float network or as `pretrained` gives
            them: name -> tensor. None where it starts from scratch.
        checkpoint: the path of a file, or folder, of this training alone, for what it needs to resume after a kill: the
            retry of the trial finds it there, and it is removed when the training ends. None where nothing is retried.
        on_epoch: called with each epoch that is reported.
        epochs: that were reported.
        settled: whether the widths have landed.
    """

    net: nn.Module
    data: Data
    training: Training
    seed: int
    hardware: Hardware | None = None
    task: Task = CLASSIFICATION
    params: Mapping[str, Any] = field(default_factory=dict)
    parent: Mapping[str, Tensor] | None = None
    checkpoint: Path | None = None
    on_epoch: Callable[[Epoch], None] | None = None
    epochs: list[Epoch] = field(default_factory=list)
    settled: bool = False

    def __post_init__(self) -> None:
        self._live: LiveCost | None = None
        self._priced: LiveCost | None = None
        self._landing: Landing | None = None
        self._used: dict[str, Tensor] = {}
        budget, hardware = self.budget, self.hardware
        if hardware is not None and budget is not None:
            self._live = LiveCost(
                self.net, hardware.pipeline, hardware.model, budget.limits, every=self.training.price_every
            )
            if self.training.land and self.training.width_lr > 0:
                self._landing = Landing(self.net, hardware.pipeline, hardware.model, budget.limits)

    @property
    def budget(self) -> Keeper | None:
        """The budget that the widths are driven to; None where nothing is."""
        return None if self.hardware is None else self.hardware.budget

    @property
    def device(self) -> torch.device:
        """The device of network and data."""
        return next(self.net.parameters()).device

    def cost(self) -> dict[str, Tensor]:
        """Resource -> amount at the live widths, with gradients to them; empty for a float network."""
        if self.hardware is None:
            return {}
        if self._priced is None:
            self._priced = LiveCost(self.net, self.hardware.pipeline, self.hardware.model)
        return self._priced()

    def penalty(self) -> Tensor:
        """The budget's term of the loss, (); 0 without a budget, and once the widths have landed."""
        if self.budget is None or self._live is None or self.settled:
            return torch.zeros((), device=self.device)
        self._used = self._live()
        return self.budget.penalty(self._used).to(torch.get_default_dtype())

    def update(self) -> None:
        """Let the budget learn from the last `penalty`; call it after each step of the optimizer."""
        if self.budget is not None and self._used and not self.settled:
            self.budget.update(self._used)

    def land(self, *, freeze: bool = True) -> None:
        """Move the widths to whole bits inside the budget, where it can be reached; the weights settle afterwards.

        Args:
            freeze: stop the widths; without it, the caller's optimizer must leave them alone.
        """
        if self._landing is not None:
            self._landing()
        if freeze:
            freeze_widths(self.net)
        self.settled = True

    def report(self, loss: float | Tensor, score: float | Tensor | None = None) -> Epoch:
        """Record an epoch: validation score, cost and widths; progress and curves show it, and pruning sees it.

        Args:
            loss: mean training loss; of a tensor, its value.
            score: on validation data; None evaluates the network by the task.

        Raises:
            HopelessTrial: in a study that prunes; let it pass.
        """
        bill = None
        if self.hardware is not None:
            with torch.no_grad():
                bill = price(self.hardware.pipeline, self.hardware.model)
        found = evaluate(self.net, self.data.validation, task=self.task) if score is None else _value(score)
        epoch = Epoch(
            epoch=len(self.epochs) + 1,
            loss=_value(loss),
            accuracy=found,
            cost={} if bill is None else {name: float(amount) for name, amount in bill.total().items()},
            widths={} if bill is None else {layer.name: layer_bits(layer) for layer in bill.layers if layer.blocks},
            settled=self.settled or not any(width.offset.requires_grad for width in learned_widths(self.net).values()),
        )
        self.epochs.append(epoch)
        if self.on_epoch is not None:
            self.on_epoch(epoch)
        return epoch


def _value(figure: float | Tensor) -> float:
    return float(figure.detach() if isinstance(figure, Tensor) else figure)

"""A budget for Lightning: the penalty joins every optimizer step, whatever the module's training step computes.

Needs the extra `lightning`.
"""

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_warn
from torch import nn

from hwcost.cost.cached import LiveCost
from hwcost.cost.channel_pipeline import ChannelPipeline
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.cost.width_proxy import learned_widths
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline
from hwcost.models import HardwareModel
from hwcost.quant import freeze_widths
from hwcost.train.penalties import Keeper
from hwcost.train.width_repair import Landing


def _forget(callback: Callback) -> None:
    """Let a callback choose the best epoch from now on."""
    if isinstance(callback, ModelCheckpoint | EarlyStopping):
        worst = torch.tensor(torch.inf if callback.mode == "min" else -torch.inf)
    if isinstance(callback, ModelCheckpoint):
        callback.best_k_models, callback.kth_value = {}, worst
        callback.best_model_score, callback.best_model_path, callback.kth_best_model_path = None, "", ""
    elif isinstance(callback, EarlyStopping):
        callback.best_score, callback.wait_count = worst, 0


class HardwareBudget(Callback):
    """Drives the learned widths of a network into a budget while Lightning trains it, as `hwcost.fit` does.

    Before each step of the optimizer that holds the widths, the gradient of `budget.penalty` is added to theirs: once
    per step, however many batches were accumulated, unscaled under automatic mixed precision, and the same in every
    process. After a share of the epochs the widths land in the budget and are frozen. What is used is logged as
    "hardware/LUT" and so on. The multipliers are part of Lightning's checkpoints.

    What was best before the widths landed is another network: `EarlyStopping` cannot end the training before the
    settling epochs, and `EarlyStopping` and `ModelCheckpoint` choose the best among these alone. A training that ends
    earlier, e.g. by `max_time`, lands all the same, and warns; so does a limit that no widths reach.

    Args:
        net: the quantized network inside the LightningModule, traced.
        pipeline, model: as for `hardware_cost`.
        budget: `Budget`, or one of `hwcost.train.penalties`.
        settle: share of the epochs, at the end, in which the widths are frozen; 0 to below 1. 0 never freezes them.

    Raises:
        BadOption: a share that is none, no learned width, or (when training starts) a trainer without max_epochs.
    """

    def __init__(
        self,
        net: nn.Module,
        pipeline: Pipeline | ChannelPipeline,
        model: HardwareModel,
        budget: Keeper,
        *,
        settle: float = 0.35,
    ) -> None:
        if not 0 <= settle < 1:
            raise BadOption(f"HardwareBudget: settle={settle}; give a share of the epochs, 0 to below 1")
        widths = [width for width in learned_widths(net).values() if width.offset.requires_grad]
        if not widths:
            raise BadOption("HardwareBudget: no learned width in the network; give its quantizers LearnedBits")
        self.net, self.budget, self.settle = net, budget, settle
        self._pipeline, self._model = pipeline, model
        self._offsets = {id(width.offset) for width in widths}
        self._cost = LiveCost(net, pipeline, model, budget.limits)
        self._landing = Landing(net, pipeline, model, budget.limits)
        self.settled = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep other callbacks from ending the training before the settling epochs."""
        if self.settle and not self.settled:
            trainer.fit_loop.min_epochs = max(trainer.min_epochs or 0, self._first_settling(trainer) + 1)

    def _first_settling(self, trainer: Trainer) -> int:
        """Number of the first settling epoch, from 0."""
        if trainer.max_epochs is None or trainer.max_epochs < 1:
            raise BadOption("HardwareBudget: settle needs a Trainer with max_epochs; give it, or settle=0")
        return trainer.max_epochs - max(1, round(self.settle * trainer.max_epochs))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Repair and freeze the widths when the settling epochs begin."""
        if self.settled or not self.settle:
            return
        if trainer.current_epoch >= self._first_settling(trainer):
            self._land()
            trainer.should_stop = False
            for callback in trainer.callbacks:  # type: ignore[attr-defined] # of the Trainer, untyped
                _forget(callback)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Land after a training that ended before the settling epochs."""
        if self.settle and not self.settled:
            self._land()
            rank_zero_warn(
                f"HardwareBudget: the training ended in epoch {trainer.current_epoch}, before the settling epochs; the "
                "widths have landed, and the weights have not adapted to them. Give the Trainer more time."
            )

    def _land(self) -> None:
        self._landing()
        freeze_widths(self.net)
        self.settled = True
        with torch.no_grad():
            used = hardware_cost(self._pipeline, self._model)
        over = [f"{name} {float(used[name]):,.0f} of {most:,.0f}" for name, most in self.budget.limits.items()
                if float(used[name]) > most]  # fmt: skip
        if over:
            rank_zero_warn(
                f"HardwareBudget: {', '.join(over)} after landing; no widths of this network reach that limit"
            )

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Add the gradient of the penalty, move the multipliers, log what is used."""
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if self.settled or not held & self._offsets:
            return
        used = self._cost()
        self.budget.penalty(used).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.budget.update(used)
        pl_module.log_dict({f"hardware/{name}": amount.detach().float() for name, amount in used.items()})

    def state_dict(self) -> dict[str, Any]:
        """Multipliers, steps, and whether the widths have settled."""
        kept = self.budget.state_dict() if isinstance(self.budget, nn.Module) else {}
        return {"budget": kept, "settled": self.settled}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume where the checkpoint stopped; widths that had settled are frozen again."""
        if isinstance(self.budget, nn.Module):
            self.budget.load_state_dict(state_dict["budget"])
        self.settled = bool(state_dict["settled"])
        if self.settled:
            freeze_widths(self.net)

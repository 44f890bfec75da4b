"""Curves of every trial in TensorBoard, by Lightning's own logger. Needs `pip install 'hwcost[lightning]' tensorboard`.

Sweep it: hwcost sweep examples/trackers/to_tensorboard.py:recipe; look at it: tensorboard --logdir runs
"""

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import hwcost
from hwcost.graph.ranges import between
from hwcost.train.lightning import HardwareBudget
from hwcost.train.run import Run
from hwcost.zoo.data import digits
from hwcost.zoo.floors import floors
from hwcost.zoo.mlp import MLP


class Classifier(LightningModule):
    """A step of training, and the figures of an epoch."""

    def __init__(self, net: nn.Module, run: Run) -> None:
        super().__init__()
        self.net, self.run = net, run

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """Cross-entropy."""
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def on_train_epoch_end(self) -> None:
        """Tell the study, and the logger: the validation score, and what the network costs by now."""
        epoch = self.run.report(float(self.trainer.callback_metrics["loss"]))
        self.logger.log_metrics({self.run.task.name: epoch.accuracy, **epoch.cost}, step=epoch.epoch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Widths with a step size of their own, and no decay of widths and scales."""
        groups = hwcost.parameter_groups(self.net, lr=self.run.training.lr, width_lr=0.05, weight_decay=1e-4)
        return torch.optim.AdamW(groups)


def train(net: nn.Module, run: Run) -> None:
    """One run of TensorBoard for each training, named by its parameters."""
    name = " ".join(f"{key}={value:g}" for key, value in run.params.items()) or "float"
    budget = run.hardware is not None and run.budget is not None
    trainer = Trainer(
        logger=TensorBoardLogger("runs", name="digits", version=f"{name} seed={run.seed}"), accelerator="cpu",
        callbacks=[HardwareBudget(net, run.hardware.pipeline, run.hardware.model, run.budget)] if budget else [],
        max_epochs=run.training.epochs, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Classifier(net, run), DataLoader(TensorDataset(*run.data.train.take(slice(None))), 64, shuffle=True))


recipe = hwcost.Recipe(
    name="tensorboard", data=lambda path: digits(), input=between(0, 16), train=train, example=(1, 8, 8),
    training=hwcost.Training(epochs=4, lr=8e-3, budget_strength=10.0), device="PYNQ-Z1", fps=100_000,
    **floors(lambda precision: MLP((64, 32, 10), precision)),
)  # fmt: skip

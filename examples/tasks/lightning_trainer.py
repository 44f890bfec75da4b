"""A training by Lightning, with early stopping, mixup and clipping. Needs `pip install 'hwcost[lightning]'`."""

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping
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
    """Knows nothing of hardware; reports each epoch to the study."""

    def __init__(self, net: nn.Module, run: Run) -> None:
        super().__init__()
        self.net, self.run = net, run

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """Mixup: half of each sample may be another one."""
        (x, y), share = batch, 0.5 + 0.5 * torch.rand(())
        other = torch.randperm(len(x))
        out = self.net(share * x + (1 - share) * x[other])
        return share * F.cross_entropy(out, y) + (1 - share) * F.cross_entropy(out, y[other])

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """What early stopping watches."""
        self.log("loss", F.cross_entropy(self.net(batch[0]), batch[1]))

    def on_train_epoch_end(self) -> None:
        """Tell the study."""
        self.run.report(float(self.trainer.callback_metrics["loss"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Widths with a step size of their own, and no decay of widths and scales."""
        groups = hwcost.parameter_groups(self.net, lr=self.run.training.lr, width_lr=0.05, weight_decay=1e-4)
        return torch.optim.AdamW(groups)


def train(net: nn.Module, run: Run) -> None:
    """Train a network of the study; the float network has no budget."""
    callbacks: list[Callback] = [EarlyStopping("loss", patience=3)]
    if run.hardware is not None and run.budget is not None:
        callbacks.append(HardwareBudget(net, run.hardware.pipeline, run.hardware.model, run.budget))
    trainer = Trainer(
        max_epochs=run.training.epochs, callbacks=callbacks, gradient_clip_val=1.0, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    parts = [TensorDataset(*split.take(slice(None))) for split in (run.data.train, run.data.validation)]
    loaders = [DataLoader(part, batch_size=64, shuffle=at == 0) for at, part in enumerate(parts)]
    trainer.fit(Classifier(net, run), *loaders)


recipe = hwcost.Recipe(
    name="lightning", data=lambda path: digits(), input=between(0, 16), train=train, example=(1, 8, 8),
    training=hwcost.Training(epochs=6, lr=8e-3, budget_strength=10.0), device="PYNQ-Z1", fps=100_000,
    **floors(lambda precision: MLP((64, 32, 10), precision)),
)  # fmt: skip

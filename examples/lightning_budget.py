"""The same with Lightning: a callback adds the budget to any LightningModule. Needs `pip install 'hwcost[lightning]'`.

python examples/lightning_budget.py --epochs 10
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import hwcost
from hwcost.graph.ranges import between
from hwcost.train.lightning import HardwareBudget
from hwcost.zoo.data import digits
from hwcost.zoo.mlp import MLP
from hwcost.zoo.precision import Precision


class Classifier(LightningModule):
    """Nothing in it knows of hardware."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """The task loss."""
        x, y = batch
        return F.cross_entropy(self.net(x), y)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Widths with their own step size, and no decay of widths and scales."""
        return torch.optim.AdamW(hwcost.parameter_groups(self.net, lr=4e-3, width_lr=0.05, weight_decay=1e-4))


def main() -> None:
    """Train, and print what it came to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    torch.manual_seed(0)

    data = digits()
    net = MLP((64, 32, 32, 10), Precision(2, 2, learned=True))
    pipeline = hwcost.trace(net, data.train.x[:1], input_range=between(0, 16))
    fpga = hwcost.Dataflow(device="PYNQ-Z1", folding=hwcost.target_fps(pipeline, 1_000_000))
    before = hwcost.hardware_cost(pipeline, fpga)["LUT"].item()
    budget = hwcost.Budget({"LUT": 0.7 * before}, strength=10.0)

    trainer = Trainer(
        max_epochs=options.epochs,
        callbacks=[HardwareBudget(net, pipeline, fpga, budget)],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = DataLoader(TensorDataset(data.train.x, data.train.y), batch_size=64, shuffle=True)
    trainer.fit(Classifier(net), loader)

    after = hwcost.hardware_cost(pipeline, fpga)["LUT"].item()
    accuracy = hwcost.evaluate(net, data.validation)
    print(f"LUT {before:.0f} -> {after:.0f} of {budget.limits['LUT']:.0f}, accuracy {accuracy:.1%}")


if __name__ == "__main__":
    main()

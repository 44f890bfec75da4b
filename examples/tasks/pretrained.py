"""Float weights that exist already, and a training of one's own: AdamW with warm-up and cosine, and distillation."""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import hwcost
from hwcost.graph.ranges import between
from hwcost.train.run import Run
from hwcost.zoo.data import digits
from hwcost.zoo.floors import floors
from hwcost.zoo.mlp import MLP


def float_weights() -> Mapping[str, Tensor]:
    """Stand in for a checkpoint of yours: `pretrained` may be its path."""
    torch.manual_seed(0)
    net = MLP((64, 48, 32, 10), None)
    hwcost.fit(net, digits(), hwcost.Training(epochs=10, lr=8e-3), seed=0)
    return net.state_dict()


def train(net: nn.Module, run: Run) -> None:
    """Learn from labels and from the float network."""
    teacher = MLP((64, 48, 32, 10), None).eval()
    teacher.load_state_dict(dict(float_weights()))
    groups = hwcost.parameter_groups(net, lr=run.training.lr, width_lr=0.02, weight_decay=1e-4)
    optimizer = torch.optim.AdamW(groups)
    steps, batch = run.training.epochs * run.data.train.steps(run.training.batch), run.training.batch
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=steps // 10)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps - steps // 10)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cosine], [steps // 10])
    order = torch.Generator().manual_seed(run.seed)
    for epoch in range(run.training.epochs):
        if epoch == run.training.epochs - run.training.settling_epochs:
            run.land()
        net.train()
        for x, y in run.data.batches(batch, shuffle=order):
            out, target = net(x), F.softmax(teacher(x).detach() / 2, 1)
            loss = F.cross_entropy(out, y) + F.cross_entropy(out / 2, target) + run.penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            run.update()
        run.report(float(loss.detach()))


def data(path: Path | None) -> hwcost.Data:
    """The digits of scikit-learn."""
    return digits()


recipe = hwcost.Recipe(
    name="pretrained", data=data, input=between(0, 16), train=train, pretrained=float_weights, example=(1, 8, 8),
    training=hwcost.Training(epochs=5, lr=4e-3, budget_strength=10.0), device="PYNQ-Z1", fps=100_000,
    **floors(lambda precision: MLP((64, 48, 32, 10), precision), (1_500, 7_000)),
)  # fmt: skip

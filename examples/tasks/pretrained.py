"""Float weights that exist already: every trial starts from them, and at first only its last layer trains."""

from collections.abc import Mapping

import torch
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
    """Train the last layer and the widths for two epochs, then all layers."""
    assert run.parent is not None  # the weights that it starts from
    groups = hwcost.parameter_groups(net, lr=run.training.lr, width_lr=0.02, weight_decay=1e-4)
    optimizer, order = torch.optim.AdamW(groups), torch.Generator().manual_seed(run.seed)
    body = [net.get_parameter(name) for name in ("fc1.weight", "fc2.weight")]
    for epoch in range(run.training.epochs):
        for weight in body:
            weight.requires_grad_(epoch >= 2)
        if epoch == run.training.epochs - run.training.settling_epochs:
            run.land()
        net.train()
        for x, y in run.data.batches(run.training.batch, shuffle=order):
            loss = run.task.loss(net(x), x, y) + run.penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.update()
        run.report(float(loss.detach()))


recipe = hwcost.Recipe(
    name="pretrained", data=lambda path: digits(), input=between(0, 16), train=train, pretrained=float_weights,
    training=hwcost.Training(epochs=5, lr=4e-3, budget_strength=10.0), device="PYNQ-Z1", fps=100_000,
    example=(1, 8, 8), **floors(lambda precision: MLP((64, 48, 32, 10), precision)),
)  # fmt: skip

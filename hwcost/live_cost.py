"""The cost of a network in training, computed anew only when one of its learned widths has changed."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from hwcost.loss import hardware_cost
from hwcost.models import RESOURCES, HardwareModel
from hwcost.quant import LearnedBits
from hwcost.trace import Pipeline


class LiveCost:
    """`hardware_cost`, remembered between two changes of a width.

    Whole widths move the bill, not the offsets behind them: until one changes, price and gradient are constants. So
    this gives the numbers and gradients of `hardware_cost`, most steps for nothing. A network whose cost depends on
    more than its learned widths is priced at every call.

    Args:
        net: the network behind the pipeline.
        pipeline, model: as for `hardware_cost`.
        resources: those wanted: each costs a backward pass whenever a width changes.
    """

    def __init__(
        self, net: nn.Module, pipeline: Pipeline, model: HardwareModel, resources: Collection[str] = RESOURCES
    ) -> None:
        self._pipeline, self._model, self._resources = pipeline, model, tuple(resources)
        self._bits = [module for module in net.modules() if isinstance(module, LearnedBits)]
        self._offsets = [bits.offset for bits in self._bits]
        own = {id(offset) for offset in self._offsets}
        self._others = [parameter for parameter in net.parameters() if id(parameter) not in own]
        self._key: list[Tensor] = []
        self._values: dict[str, Tensor] = {}
        self._gradients: dict[str, Tensor] = {}

    def __call__(self) -> dict[str, Tensor]:
        """Resource -> () float64. Gradient: to the offsets of the learned widths."""
        # the width, and the side of zero that its offset is on: together they fix price and gradient
        key = [bits().detach() * torch.where(bits.offset < 0, -1, 1) for bits in self._bits]
        if not self._key or not all(map(torch.equal, key, self._key)):
            used = hardware_cost(self._pipeline, self._model)
            live = {name: used[name] for name in self._resources if name in used}
            if not self._offsets or not self._remember(live):
                return live
            self._key = key
        offsets = torch.cat([offset.reshape(-1) for offset in self._offsets]).to(torch.float64)
        moved = offsets - offsets.detach()  # zero, with the gradient of the offsets
        return {name: value + self._gradients[name] @ moved for name, value in self._values.items()}

    def _remember(self, live: dict[str, Tensor]) -> bool:
        """Keep values and gradients; False if anything but the widths moves the cost."""
        for name, amount in live.items():
            found: tuple[Tensor | None, ...] = (None,) * (len(self._offsets) + len(self._others))
            if amount.requires_grad:
                found = torch.autograd.grad(
                    amount, [*self._offsets, *self._others], retain_graph=True, allow_unused=True
                )
            mine, foreign = found[: len(self._offsets)], found[len(self._offsets) :]
            if any(gradient is not None for gradient in foreign):
                return False
            flat = [
                torch.zeros_like(offset).reshape(-1) if gradient is None else gradient.reshape(-1)
                for offset, gradient in zip(self._offsets, mine, strict=True)
            ]
            self._values[name], self._gradients[name] = amount.detach(), torch.cat(flat).to(torch.float64)
        return True

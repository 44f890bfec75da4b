"""Repair of trained widths: training ends close to a limit, and whole bits are moved until it is kept."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hwcost.cost.hardware_cost import hardware_cost
from hwcost.cost.width_proxy import learned_widths
from hwcost.models import HardwareModel
from hwcost.models.resources import HasLayers
from hwcost.quant import LearnedBits, Restrict
from hwcost.quant.channels import ChannelGates


class Landing:
    """Moves learned widths by whole bits until a network fits its limits and no width can grow back.

    Where training balanced a width, its loss of accuracy per bit weighs as much as its cost per bit. With noise that
    falls by 4 per bit, a bit is worth 4^(r - n) at width n, where r is the real width that training came to, before
    rounding. So the width with the least r - n gives first, and the one with the most takes first; no data needed.

    Widths grow at most to where they stood when this object was made: before training, the network as it was drawn.
    One of several elements moves as a whole. Frozen ones, and those that are not whole, stay.

    Args:
        net: the network behind the pipeline, before it is trained.
        pipeline, model: as for `hardware_cost`.
        limits: resource -> largest amount.
    """

    def __init__(self, net: nn.Module, pipeline: HasLayers, model: HardwareModel, limits: Mapping[str, float]) -> None:
        self._pipeline, self._model, self._limits = pipeline, model, dict(limits)
        self._widths = [width for width in learned_widths(net).values() if width.restrict is Restrict.WHOLE]
        with torch.no_grad():
            self._start = [width() for width in self._widths]

    @torch.no_grad()
    def __call__(self) -> bool:
        """Move the widths; whether everything fits. Offsets are left at whole bits."""
        movable = [at for at, width in enumerate(self._widths) if width.offset.requires_grad]
        wanted = {at: self._widths[at].base + self._widths[at].offset.abs().mean() for at in movable}
        for at in movable:
            self._set(self._widths[at], self._widths[at]())

        def pull(at: int) -> float:
            return float(wanted[at] - self._widths[at]().mean())

        while self._excess() > 0:
            if not any(self._cut(at) for at in sorted(movable, key=pull)):
                return False
        while any(self._grow(at) for at in sorted(movable, key=pull, reverse=True)):
            pass
        return True

    def _cut(self, at: int) -> bool:
        """A bit less, if that brings the network closer to its limits."""
        width, before = self._widths[at], self._excess()
        bits = width()
        self._set(width, bits - 1)
        if self._excess() < before:
            return True
        self._set(width, bits)
        return False

    def _grow(self, at: int) -> bool:
        """A bit more, if it is not above its start and all fits."""
        width = self._widths[at]
        bits = width()
        self._set(width, torch.minimum(bits + 1, torch.maximum(bits, self._start[at])))
        if self._excess() <= 0:
            return bool((width() > bits).any())
        self._set(width, bits)
        return False

    def _excess(self) -> float:
        """Sum of what exceeds the limits, in shares of them; 0 when all fits."""
        used = hardware_cost(self._pipeline, self._model)
        return sum(max(0.0, float(used[name]) - limit) / max(limit, 1.0) for name, limit in self._limits.items())

    @staticmethod
    def _set(width: LearnedBits, bits: Tensor) -> None:
        width.offset.copy_(bits.clamp(width.base, width.most) - width.base)


@torch.no_grad()
def cost_at_floors(net: nn.Module, pipeline: HasLayers, model: HardwareModel) -> dict[str, float]:
    """Price a network with every width that can learn at its smallest: the least that training can reach.

    Where channels learn, as few of them live as may.

    Args:
        net: the network behind the pipeline; its widths and channels are put back.
        pipeline, model: as for `hardware_cost`.

    Returns:
        Resource -> amount; a budget below it is out of reach.
    """
    learning = [width.offset for width in learned_widths(net).values()]
    learning += [module.strength for module in net.modules() if isinstance(module, ChannelGates)]
    offsets = [one for one in learning if one.requires_grad]
    before = [offset.clone() for offset in offsets]
    try:
        for offset in offsets:
            offset.zero_()
        return {name: float(amount) for name, amount in hardware_cost(pipeline, model).items()}
    finally:
        for offset, kept in zip(offsets, before, strict=True):
            offset.copy_(kept)

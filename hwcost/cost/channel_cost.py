"""The cost of a network whose channels learn: priced once per number of live channels and combination of widths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hwcost.cost.bill import Bill
from hwcost.cost.channel_pipeline import ChannelPipeline
from hwcost.models import HardwareModel, place
from hwcost.models.memo import Memo
from hwcost.quant import LearnedBits, Restrict

MOST_KEPT = 4096
"""Prices that are remembered."""

Priced = tuple[Tensor, Tensor, Tensor]
"""Amounts, (resources,), and their slopes to the widths, (resources, widths), and to the channels, (resources,
classes)."""


class ChannelCost:
    """`hardware_cost` of a `ChannelPipeline`, with the same gradients, looked up where it was asked for before.

    Args:
        net: the network.
        pipeline, model: as for `hardware_cost`.
        resources: those wanted.
        every: calls with gradients that share one price and its slopes, at least 1.

    Attributes:
        complete: whether the price depends on nothing but whole learned widths and channels.
    """

    def __init__(
        self,
        net: nn.Module,
        pipeline: ChannelPipeline,
        model: HardwareModel,
        resources: Sequence[str],
        every: int = 1,
    ) -> None:
        self._every, self._calls = every, 0
        self._key: tuple[object, ...] = ()
        self._net, self._pipeline, self._model, self._resources = net, pipeline, model, tuple(resources)
        self._bits = [module for module in net.modules() if isinstance(module, LearnedBits)]
        self._memo: Memo[tuple[object, ...], Priced] = Memo(MOST_KEPT)
        whole = bool(self._bits) and all(bits.restrict is Restrict.WHOLE for bits in self._bits)
        self.complete = whole and not self._others()

    def __call__(self) -> dict[str, Tensor]:
        """Resource -> () float64. Gradient: to the learned widths, and to the strengths of the channels."""
        gates = self._pipeline.channels.gates
        widths = torch.stack([bits() for bits in self._bits]).to("cpu", torch.float64)
        if self._calls % self._every == 0 or not torch.is_grad_enabled():
            self._key = (gates.counts(), tuple(widths.tolist()), tuple(_heard(bits) for bits in self._bits))
        self._calls += torch.is_grad_enabled()
        amounts, by_width, by_channel = self._memo.of([self._key], lambda _: [self._priced()])[0]
        live = gates().to("cpu", torch.float64)
        moved = by_width @ (widths - widths.detach()) + by_channel @ (live - live.detach())  # zero, with the gradient
        return dict(zip(self._resources, (amounts + moved).unbind(), strict=True))

    @torch.enable_grad()
    def _priced(self) -> Priced:
        used, live = self._used()
        by_width = torch.zeros(len(used), len(self._bits), dtype=torch.float64)
        by_channel = torch.zeros(len(used), len(live), dtype=torch.float64)
        learning = [(at, bits.offset) for at, bits in enumerate(self._bits) if bits.offset.requires_grad]
        for row, amount in enumerate(used):
            if not amount.requires_grad:
                continue
            leaves = [live, *(offset for _, offset in learning)]
            channels, *slopes = torch.autograd.grad(amount, leaves, retain_graph=True, allow_unused=True)
            by_channel[row] = 0.0 if channels is None else channels
            for (at, offset), slope in zip(learning, slopes, strict=True):
                if slope is not None:  # of the offset; that of a width has its sign
                    by_width[row, at] = -slope.item() if offset.item() < 0 else slope.item()
        return torch.stack(used).detach(), by_width, by_channel

    def _used(self) -> tuple[list[Tensor], Tensor]:
        """Amounts, and whether each class lives, which they have gradients to."""
        live = self._pipeline.channels.gates.alive().double().requires_grad_()
        layers = self._pipeline.layers()
        placed = tuple(place(layers))
        amounts = self._pipeline.shared(placed, self._model.price(placed), self._model, live)
        total = Bill(layers=layers, placed=placed, amounts=amounts).total()
        return [total[name] for name in self._resources], live

    def _others(self) -> bool:
        """Whether anything else learns by the price, as the widths of accumulators do."""
        known = {id(bits.offset) for bits in self._bits}
        others = [one for one in self._net.parameters() if one.requires_grad and id(one) not in known]
        with torch.enable_grad():
            total = torch.stack(self._used()[0]).sum()
        if not others or not total.requires_grad:
            return False
        return any(slope is not None for slope in torch.autograd.grad(total, others, allow_unused=True))


def _heard(bits: LearnedBits) -> tuple[bool, bool]:
    """Find what the slope of a width depends on, too: whether it learns, and whether it is beyond its bound."""
    return bits.offset.requires_grad, bool(bits.offset.detach().abs() > bits.most - bits.base)

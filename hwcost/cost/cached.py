"""The cost of a network in training: every piece of it is priced once per combination of its own widths."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hwcost.cost.channel_cost import ChannelCost
from hwcost.cost.channel_pipeline import ChannelPipeline
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.cost.per_layer import Pieces, Rebuilt
from hwcost.cost.width_proxy import learned_widths
from hwcost.errors import BadOption
from hwcost.graph.ste import whole_bits
from hwcost.graph.trace import Pipeline
from hwcost.models import HardwareModel
from hwcost.models.amounts import whole
from hwcost.models.resources import ReadsWeights


class _Kept(NamedTuple):
    """Amounts, (resources,), of parameters, and their derivatives by each of these, (resources, *shape)."""

    amounts: Tensor
    leaves: list[Tensor]
    slopes: list[Tensor]


class _Reused(torch.autograd.Function):
    """The amounts, with the derivatives that were kept."""

    @staticmethod
    def forward(ctx: Any, kept: _Kept, *leaves: Tensor) -> Tensor:
        ctx.slopes = kept.slopes
        return kept.amounts.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weights = grads[0]
        if weights.numel() == 1:  # a tensor times a number takes a third of the time of a dot product
            return None, *(slope[0] * weights.item() for slope in ctx.slopes)
        return None, *(torch.tensordot(weights.to(slope), slope, 1) for slope in ctx.slopes)


class LiveCost:
    """`hardware_cost` for a training loop: the same numbers and gradients, for a fraction of the time.

    A piece (the hardware of one layer) depends on a handful of whole widths. Its price and slopes are computed when a
    combination of them comes up for the first time, and looked up after that; a step in which no width has changed
    only reads the widths. It remembers a pure function of the widths, so nothing it holds can be out of date; but it
    holds the network of its construction: build another after exchanging a quantizer or the folding.

    Where the cost depends on more than whole learned widths (a model that reads the weights, say), the network is
    priced in full at every call, or at every few; with a model that cannot price blocks apart (no `plan` and
    `price_jobs`), at every new combination of all widths.

    Args:
        net: the network behind the pipeline.
        pipeline, model: as for `hardware_cost`.
        resources: those wanted, all if None; fewer are faster where a width has changed.
        every: calls that share one price in full and its gradient, at least 1: the widths behind them are then a few
            training steps old.

    Raises:
        BadOption: a resource that the model does not price, or an `every` below 1.
    """

    def __init__(
        self,
        net: nn.Module,
        pipeline: Pipeline | ChannelPipeline,
        model: HardwareModel,
        resources: Collection[str] | None = None,
        *,
        every: int = 1,
    ) -> None:
        self._pipeline, self._model = pipeline, model
        self._resources = tuple(model.resources if resources is None else resources)
        for name in self._resources:
            if name not in model.resources:
                raise BadOption(
                    f"LiveCost: resource {name!r} is not priced; this model prices {', '.join(model.resources)}"
                )
        self._every, self._calls = whole("LiveCost: every", every), 0
        self._net, self._kept = net, _Kept(torch.zeros(0), [], [])
        # not their offsets, which load_state_dict(assign=True) replaces
        self._bits = list(learned_widths(net).values())
        self._apart = False
        self._channels: ChannelCost | None = None
        if isinstance(model, ReadsWeights) and model.reads_weights:
            return
        if isinstance(pipeline, ChannelPipeline):
            found = ChannelCost(net, pipeline, model, self._resources, self._every)
            self._channels = found if found.complete else None
            return
        self._pieces = Pieces(net, pipeline, model, self._resources)
        self._apart = self._pieces.complete
        self._base, self._most = torch.tensor(self._pieces.bounds, dtype=torch.float64).reshape(-1, 2).T
        self._levels: list[float] = []
        self._value = self._slope = torch.zeros(0)

    def __call__(self) -> dict[str, Tensor]:
        """Resource -> () float64. Gradient: to the offsets of the learned widths."""
        if self._channels is not None:
            return self._channels()
        if not (self._apart and self._bits):
            return self._in_full()
        flat = _flat([bits.offset for bits in self._bits]).to("cpu", torch.float64)
        base: Any = self._base  # `whole_bits` of many widths: its bounds as tensors
        most: Any = self._most
        widths = whole_bits(flat, base=base, most=most)
        levels = widths.tolist()
        if levels != self._levels:
            try:
                self._value, self._slope = self._priced(levels)
            except Rebuilt:
                self._apart = False
                return self._in_full()
            self._levels = levels
        moved = widths - widths.detach()  # zero, with the gradient of the widths
        return dict(zip(self._resources, (self._value + self._slope @ moved).unbind(), strict=True))

    def _in_full(self) -> dict[str, Tensor]:
        if self._every == 1 or not torch.is_grad_enabled():
            used = hardware_cost(self._pipeline, self._model)
            return {name: used[name] for name in self._resources}
        if self._calls % self._every == 0:
            self._kept = self._differentiated()
        self._calls += 1
        found: Tensor = _Reused.apply(self._kept, *self._kept.leaves)  # type: ignore[no-untyped-call] # torch leaves it untyped
        return dict(zip(self._resources, found.unbind(), strict=True))

    def _differentiated(self) -> _Kept:
        used = hardware_cost(self._pipeline, self._model)
        amounts = torch.stack([used[name] for name in self._resources])
        leaves = [one for one in self._net.parameters() if one.requires_grad]
        slopes = [
            torch.autograd.grad(amount, leaves, retain_graph=True, allow_unused=True)
            if amount.requires_grad
            else (None,) * len(leaves)
            for amount in amounts.unbind()
        ]
        heard = [at for at in range(len(leaves)) if any(slope[at] is not None for slope in slopes)]
        stacks = [
            torch.stack([torch.zeros_like(leaves[at]) if (one := slope[at]) is None else one for slope in slopes])
            for at in heard
        ]
        return _Kept(amounts.detach(), [leaves[at] for at in heard], stacks)

    def _priced(self, levels: list[float]) -> tuple[Tensor, Tensor]:
        """(resources,) and (resources, widths)."""
        pieces = self._pieces.pieces
        entries = self._pieces.costs([(piece, levels) for piece in pieces], slopes=True)
        slope = np.zeros((len(self._resources), len(levels)))
        for piece, (_, part) in zip(pieces, entries, strict=True):
            slope[:, piece.widths] += part
        value = self._pieces.total([amounts for amounts, _ in entries])
        return torch.from_numpy(value), torch.from_numpy(slope)


def _flat(offsets: list[Tensor]) -> Tensor:
    """All elements in one row; scalars are stacked, which spares the gradient a view of each."""
    if any(offset.ndim for offset in offsets):
        return torch.cat([offset.reshape(-1) for offset in offsets])
    return torch.stack(offsets)

"""The cost of a network in training: every piece of it is priced once per combination of its own widths."""

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hwcost.cost.hardware_cost import hardware_cost
from hwcost.cost.per_layer import Pieces, Rebuilt
from hwcost.cost.width_proxy import learned_widths
from hwcost.errors import BadOption
from hwcost.graph.ste import whole_bits
from hwcost.graph.trace import Pipeline
from hwcost.models import HardwareModel


class LiveCost:
    """`hardware_cost` for a training loop: the same numbers and gradients, for a fraction of the time.

    A piece (the hardware of one layer) depends on a handful of whole widths. Its price and slopes are computed when a
    combination of them comes up for the first time, and looked up after that; a step in which no width has changed
    only reads the widths. It remembers a pure function of the widths, so nothing it holds can be out of date; but it
    holds the network of its construction: build another after exchanging a quantizer or the folding.

    Where the cost depends on more than whole learned widths, the network is priced in full at every call; with a model
    that cannot price blocks apart (no `plan` and `price_jobs`), at every new combination of all widths.

    Args:
        net: the network behind the pipeline.
        pipeline, model: as for `hardware_cost`.
        resources: those wanted, all if None; fewer are faster where a width has changed.

    Raises:
        BadOption: a resource that the model does not price.
    """

    def __init__(
        self, net: nn.Module, pipeline: Pipeline, model: HardwareModel, resources: Collection[str] | None = None
    ) -> None:
        self._pipeline, self._model = pipeline, model
        self._resources = tuple(model.resources if resources is None else resources)
        for name in self._resources:
            if name not in model.resources:
                raise BadOption(
                    f"LiveCost: resource {name!r} is not priced; this model prices {', '.join(model.resources)}"
                )
        self._pieces = Pieces(net, pipeline, model, self._resources)
        self._apart = self._pieces.complete
        self._bits = list(
            learned_widths(net).values()
        )  # not their offsets, which load_state_dict(assign=True) replaces
        self._base, self._most = torch.tensor(self._pieces.bounds, dtype=torch.float64).reshape(-1, 2).T
        self._levels: list[float] = []
        self._value = self._slope = torch.zeros(0)

    def __call__(self) -> dict[str, Tensor]:
        """Resource -> () float64. Gradient: to the offsets of the learned widths."""
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
        used = hardware_cost(self._pipeline, self._model)
        return {name: used[name] for name in self._resources}

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

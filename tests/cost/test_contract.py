"""One contract for the family of prices: the same values and the same gradients from every member, on every model.

The members are `hardware_cost`, `LiveCost`, the prices per layer (`Pieces`) and the table (`WidthPrices`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from described_networks import EXAMPLE, Residual
from torch import Tensor, nn

from hwcost.cost.cached import LiveCost
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.cost.per_layer import Pieces
from hwcost.cost.width_proxy import learned_widths
from hwcost.cost.width_table import WidthPrices
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Finn, Generic, HardwareModel, Refolding, Unrolled, target_fps
from hwcost.quant import LearnedBits, QuantConv2d, QuantReLU, learned_activation, learned_weight

MODELS = ("dataflow", "hls and dsp", "finn", "generic", "unrolled", "refolding")


def per_channel() -> nn.Module:
    """A width for each channel of the weights of two layers and of the activation between them."""
    first = QuantConv2d(3, 4, 3, padding=1, bias=False, weight_quant=learned_weight(bits=4))
    act = QuantReLU(learned_activation(bits=4))
    second = QuantConv2d(4, 4, 3, padding=1, groups=4, bias=False, weight_quant=learned_weight(bits=4))
    last = QuantReLU(learned_activation(bits=4))
    for layer in (first, second):
        assert layer.weight_quant is not None
        layer.weight_quant.bits = LearnedBits(4, shape=(4, 1, 1, 1))  # type: ignore[attr-defined]
    return nn.Sequential(first, nn.BatchNorm2d(4), act, second, nn.BatchNorm2d(4), last)


NETWORKS = {"residual": Residual, "a width per channel": per_channel}


class Family:
    """All members on one network and model."""

    def __init__(self, network: str, name: str) -> None:
        self.net: nn.Module = NETWORKS[network]()
        self.pipeline = trace(self.net, EXAMPLE, input_bits=8)
        self.model = self._model(name)
        self.live = LiveCost(self.net, self.pipeline, self.model)
        self.pieces = Pieces(self.net, self.pipeline, self.model)
        self.table = WidthPrices(self.net, self.pipeline, self.model)

    def _model(self, name: str) -> HardwareModel:
        folding = target_fps(self.pipeline, 10_000)
        match name:
            case "dataflow":
                return Dataflow(device="xc7z020", folding=folding)
            case "hls and dsp":
                return Dataflow(device="ZCU104", folding=folding, multipliers="dsp", thresholds="parallel", flow="hls")
            case "finn":
                return Finn(device="xc7z020", folding=folding)
            case "generic":
                return Generic()
            case "unrolled":
                return Unrolled(device="xcvu9p", reuse="stream")
            case _:
                return Refolding(10_000, device="xc7z020")

    def rows(self, count: int) -> list[list[int]]:
        """Random assignments."""
        low = [base for base, _ in self.pieces.bounds]
        found: list[list[int]] = np.random.default_rng(3).integers(low, 11, (count, len(low))).tolist()
        return found

    def set(self, row: Sequence[int]) -> None:
        """Give the network the widths of an assignment."""
        left = list(row)
        with torch.no_grad():
            for bits in learned_widths(self.net).values():
                own = torch.tensor([left.pop(0) for _ in range(bits.offset.numel())]).reshape(bits.offset.shape)
                bits.offset.copy_(own - bits.base)

    def gradient(self, amount: Tensor) -> list[float]:
        """One slope per width."""
        offsets = [bits.offset for bits in learned_widths(self.net).values()]
        none = [torch.zeros_like(offset) for offset in offsets]
        if amount.requires_grad:
            found = torch.autograd.grad(amount, offsets, allow_unused=True, retain_graph=True)
            none = [zero if grad is None else grad for zero, grad in zip(none, found, strict=True)]
        return torch.cat([grad.reshape(-1) for grad in none]).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("network", NETWORKS)
def test_equal_values_and_gradients(network: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = Family(network, name)
    assert family.pieces.complete
    rows = family.rows(5)
    tables = [family.table.price(rows[:2]), family.table.price(rows)]  # the second call finds some of them known
    monkeypatch.setattr("hwcost.cost.width_table.LARGEST_TABLE", 30)  # what is too much for a table has another way
    tables.append(family.table.price(rows))
    for index, row in enumerate([*rows, rows[0]]):
        family.set(row)
        cost = hardware_cost(family.pipeline, family.model)
        values = {resource: amount.item() for resource, amount in cost.items()}
        live = family.live()
        assert {resource: amount.item() for resource, amount in live.items()} == values
        for table in tables:
            if index < len(table[family.table.resources[0]]):
                assert {resource: amounts[index] for resource, amounts in table.items()} == values
        levels = [float(width) for width in row]
        parts = family.pieces.costs([(piece, levels) for piece in family.pieces.pieces], slopes=True)
        total = family.pieces.total([amounts for amounts, _ in parts])
        assert dict(zip(family.pieces.resources, total.tolist(), strict=True)) == values
        for place, resource in enumerate(family.pieces.resources):
            wanted = family.gradient(cost[resource])
            slope = np.zeros(len(levels))
            for piece, (_, slopes) in zip(family.pieces.pieces, parts, strict=True):
                slope[list(piece.widths)] += slopes[place]
            np.testing.assert_allclose(slope, wanted, rtol=1e-6, atol=1e-9, err_msg=resource)
            np.testing.assert_allclose(family.gradient(live[resource]), wanted, rtol=1e-5, atol=1e-6, err_msg=resource)

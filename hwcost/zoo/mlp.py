"""Multilayer perceptrons for tables of features and for flattened images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant import QuantIdentity, QuantLinear, QuantReLU
from hwcost.quant.quantizers import Quantizer
from hwcost.zoo.precision import Precision

TRIGGER = (64, 32, 32)
"""Hidden layers of the 16-64-32-32-n network of particle triggers (Duarte et al., JINST 13 P07027, 2018)."""


class MLP(nn.Sequential):
    """Flatten, (dense - batch norm - ReLU) per hidden size, then dense.

    Args:
        sizes: features, hidden sizes and classes, at least 1 each.
        precision: of the quantizers; None builds the same network in float.
        input_quant: of the features, where they are no integers yet; None leaves them as they are.
        dropout: share of activations dropped in training behind each ReLU; 0 to below 1.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        precision: Precision | None,
        *,
        input_quant: Quantizer | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise BadOption(f"MLP: sizes {tuple(sizes)}; give features, hidden sizes and classes, at least 1 each")
        self.flatten = nn.Flatten()
        if input_quant is not None:
            self.features = QuantIdentity(input_quant)
        for number, (before, after) in enumerate(pairwise(sizes[:-1]), start=1):
            weight = None if precision is None else precision.weight()
            self.add_module(f"fc{number}", QuantLinear(before, after, bias=False, weight_quant=weight))
            self.add_module(f"norm{number}", nn.BatchNorm1d(after))
            self.add_module(f"relu{number}", QuantReLU(None) if precision is None else precision.relu())
            if dropout:
                self.add_module(f"drop{number}", nn.Dropout(dropout))
        # one scale for all classes: the largest integer is the largest score
        last = None if precision is None else precision.weight(per_channel=False)
        self.add_module(f"fc{len(sizes) - 1}", QuantLinear(sizes[-2], sizes[-1], bias=False, weight_quant=last))

    def forward(self, input: Tensor) -> Tensor:
        """(N, features) or (N, channels, height, width) -> (N, classes) scores."""
        scores: Tensor = super().forward(input)  # type: ignore[no-untyped-call] # torch leaves it untyped
        return scores

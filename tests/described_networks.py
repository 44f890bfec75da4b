"""Networks with everything that widths can flow through."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwcost.quant import (
    BiasQuantizer,
    IntQuantizer,
    LearnedBits,
    QuantAdd,
    QuantConv2d,
    QuantLinear,
    QuantReLU,
    learned_activation,
    learned_weight,
)


class Residual(nn.Module):
    """Depthwise and pointwise convolutions, a shared activation width, a sum of branches, max pooling, a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = QuantConv2d(3, 8, 3, padding=1, bias=False, weight_quant=learned_weight(bits=6))
        self.norm = nn.BatchNorm2d(8)
        self.grid = learned_activation(bits=4)
        self.act = QuantReLU(self.grid)
        self.depthwise = QuantConv2d(
            8, 8, 3, padding=1, groups=8, bias=False, weight_quant=learned_weight(bits=3, per_channel=False)
        )
        self.act1 = QuantReLU(learned_activation(bits=5))
        self.pointwise = QuantConv2d(8, 8, 1, bias=False, weight_quant=learned_weight(bits=4))
        self.act2 = QuantReLU(self.grid)  # the same width as `act`
        self.add = QuantAdd(self.grid, ready=(0, 1))
        self.pool = nn.MaxPool2d(4)
        self.act3 = QuantReLU(learned_activation(bits=3))
        self.flat = nn.Flatten()
        bias = BiasQuantizer(bits=LearnedBits(8))
        assert isinstance(self.act3.quant, IntQuantizer)
        self.head = QuantLinear(
            32, 10, weight_quant=learned_weight(bits=5, per_channel=False), bias_quant=bias, source=self.act3.quant
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 8, 8) -> (N, 10)."""
        x = self.act(self.norm(self.stem(x)))
        x = self.add(x, self.act2(self.pointwise(self.act1(self.depthwise(x)))))
        scores: Tensor = self.head(self.flat(self.act3(self.pool(x))))
        return scores


EXAMPLE = torch.zeros(1, 3, 8, 8)


def offsets(net: nn.Module) -> list[nn.Parameter]:
    """The parameters behind all learned widths."""
    return [module.offset for module in net.modules() if isinstance(module, LearnedBits)]

"""Small networks, each around one operation that moves, drops, inserts or repeats elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.quant import (
    QuantConv1d,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    const_input,
    learned_activation,
    learned_weight,
)


def weight(**options: Any) -> Any:
    return learned_weight(bits=4, **options)


class Around(nn.Module):
    """A quantizer, a layer in front, the operation, and a layer behind."""

    def __init__(self, front: nn.Module | None, function: Callable[[Tensor], Tensor], behind: nn.Module | None) -> None:
        super().__init__()
        self.enter = QuantIdentity(const_input(bits=5, signed=True))
        self.front = nn.Sequential() if front is None else nn.Sequential(front, QuantReLU(learned_activation(bits=4)))
        self.function = function
        self.behind = behind or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.behind(self.function(self.front(self.enter(x))))
        return y


def conv(i: int, o: int) -> QuantConv2d:
    return QuantConv2d(i, o, 3, padding=1, weight_quant=weight())


def line(i: int, o: int, size: int = 3) -> QuantConv1d:
    return QuantConv1d(i, o, size, weight_quant=weight())


def dense(i: int, o: int) -> QuantLinear:
    return QuantLinear(i, o, weight_quant=weight())


Function = Callable[[Tensor], Tensor]

ORDERED: dict[str, tuple[tuple[int, ...], nn.Module | None, Function, nn.Module | None]] = {
    "sequence": ((5, 6), dense(6, 4), lambda x: x, dense(4, 3)),
    "groups interleaved": ((2, 4, 5), conv(2, 6), nn.ChannelShuffle(3), conv(6, 3)),
    "channels last to first": ((5, 6), dense(6, 4), lambda x: x.transpose(1, 2), line(4, 3)),
    "channels first to last": ((2, 6, 5), conv(2, 4), lambda x: x.permute(0, 2, 3, 1), dense(4, 3)),
    "tokens of an image": ((2, 6, 4), conv(2, 4), lambda x: x.flatten(2).transpose(-1, -2), dense(4, 3)),
    "squeezed": ((2, 1, 5), conv(2, 4), lambda x: x.squeeze(2), line(4, 3, 2)),
    "unsqueezed at the input": ((12,), None, lambda x: x.unsqueeze(1), line(1, 3)),
    "unflattened": ((6,), dense(6, 16), lambda x: x.view(-1, 4, 2, 2), conv(4, 3)),
    "a sequence, flattened": ((5, 6), dense(6, 4), lambda x: x.reshape(x.size(0), -1), dense(20, 3)),
    "last of a sequence": ((5, 6), dense(6, 4), lambda x: x[:, -1], dense(4, 3)),
    "a piece of the time": ((4, 9), None, lambda x: x[:, :, 2:-1], line(4, 3, 2)),
    "half of the channels": ((2, 5, 5), conv(2, 6), lambda x: x.chunk(2, dim=1)[1], conv(3, 3)),
    "unequal pieces": ((2, 5, 5), conv(2, 6), lambda x: torch.split(x, [2, 4], 1)[0], conv(2, 3)),
    "one of unbound": ((3, 6), dense(6, 4), lambda x: x.unbind(1)[2], dense(4, 3)),
    "narrowed": ((2, 5, 5), conv(2, 6), lambda x: x.narrow(2, 1, 3), conv(6, 3)),
    "padded in front": ((4, 9), None, lambda x: F.pad(x, (2, 0)), line(4, 3)),
    "padded by a module": ((2, 5, 5), conv(2, 4), nn.ZeroPad2d((1, 2, 0, 1)), conv(4, 3)),
    "upsampled": ((2, 3, 4), conv(2, 4), nn.Upsample(scale_factor=2), conv(4, 3)),
    "upsampled along one side": ((2, 3, 4), conv(2, 4), lambda x: F.interpolate(x, size=(3, 12)), conv(4, 3)),
    "shuffled": ((2, 3, 4), conv(2, 8), nn.PixelShuffle(2), conv(2, 3)),
    "unshuffled": ((2, 4, 6), conv(2, 2), nn.PixelUnshuffle(2), conv(8, 3)),
}  # fmt: skip


def ordered(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """The network, and the shape of a sample."""
    torch.manual_seed(1)
    shape, front, function, behind = ORDERED[name]
    return Around(front, function, behind), shape

"""Words at the ports of an accelerator, and what the integer network makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hwcost.build.accelerator import Accelerator, Pipe
from hwcost.graph.ranges import Range
from hwcost.synth.circuit import shape_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Golden:
    """Frames that enter, and the frames that have to leave.

    Attributes:
        sent, wanted: one word after the other, of all frames.
        frames: how many.
    """

    sent: list[int]
    wanted: list[int]
    frames: int

    def first(self, frames: int) -> Golden:
        """The first of these frames."""
        enter, leave = (len(words) // self.frames * frames for words in (self.sent, self.wanted))
        return Golden(sent=self.sent[:enter], wanted=self.wanted[:leave], frames=frames)


def drawn(made: Accelerator, frames: int, seed: int = 0) -> Tensor:
    """Random samples: codes of the whole input range, or floats where a quantizer of the network takes them."""
    source = torch.Generator().manual_seed(seed)
    network = made.layout.network
    (stream,) = network.inputs
    shape = (frames, *stream.signal.shape)
    if stream.meaning is None:
        return torch.randn(shape, generator=source)
    low, high = int(stream.signal.range.low.min()), int(stream.signal.range.high.max())
    if stream.signal.range.bipolar:
        return 2 * torch.randint(0, 2, shape, generator=source) - 1
    return torch.randint(low, high + 1, shape, generator=source)


def golden(made: Accelerator, samples: Tensor, *, batch: int = 64) -> Golden:
    """Compute the words that enter and leave for these samples.

    Args:
        made: the accelerator.
        samples: as `IntegerNetwork.run` takes them: int64 codes (frames, ...), or floats.
        batch: samples that the integer network computes at once.
    """
    layout = made.layout
    network = layout.network
    assert layout.left is not None
    sent: list[int] = []
    wanted: list[int] = []
    for part in torch.split(samples, batch):
        found = network.run(part)
        codes = part if layout.entering is None else found[network.steps[layout.entering].name]
        sent += _words(codes, made.entering)
        last = found[network.steps[network.outputs[0] - 1].name]
        if layout.left.order is not None:
            last = last.flatten(1)[:, layout.left.order]
        wanted += _words(last, made.leaving)
    return Golden(sent=sent, wanted=wanted, frames=len(samples))


def _words(codes: Tensor, pipe: Pipe) -> list[int]:
    """Pixel by pixel, the channels of each side by side, as many in a word as the port has lanes."""
    flat = codes.unsqueeze(-1) if codes.ndim == 1 else codes.flatten(2).transpose(1, 2) if codes.ndim > 2 else codes
    bits, wire = shape_of(pipe.wire).width, pipe.wire
    lanes = _coded(flat.reshape(-1, pipe.lanes), wire, bits)
    return [sum(code << (bits * lane) for lane, code in enumerate(row)) for row in lanes.tolist()]


def _coded(numbers: Tensor, wire: Range, bits: int) -> Tensor:
    return (numbers > 0).to(torch.int64) if wire.bipolar else numbers & ((1 << bits) - 1)

"""Sums and concatenations of streams, which need one scale and get it from a common quantizer."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range, add, join, widest
from hwcost.graph.spec import Adder, Block, Concat, Form, LayerSpec, Signal
from hwcost.quant.layers.signals import quantized, thresholds
from hwcost.quant.quantizers import Quantizer, checked
from hwcost.quant.tensor import QuantTensor


class _Merge(nn.Module):
    """Streams brought onto one grid.

    Args:
        quant: quantizer of every stream: one for all, or one for each. Several must have equal steps.
        ready: positions of streams that their quantizer has already made: the same object stands in front of them, so
            they pass as they are.
    """

    def __init__(self, quant: Quantizer | Sequence[Quantizer], *, ready: tuple[int, ...] = ()) -> None:
        super().__init__()
        several = quant if isinstance(quant, Sequence) else (quant,)
        name = type(self).__name__
        if not several or any(each is None for each in several):
            raise BadOption(f"{name}: quant={quant!r}; give a quantizer, or one per stream")
        self.quants = nn.ModuleList([checked(each, f"{name}: quant") for each in several])
        self.ready = tuple(ready)
        self._measures = any(getattr(each, "measured", False) for each in several)
        if self._measures and (len(several) > 1 or self.ready):
            raise BadOption(
                f"{name}: the scale of its quantizer is measured, and all streams need one measurement; give one "
                "quantizer for all and no ready=, or a LearnedScale"
            )

    def quantizer(self, position: int, streams: int) -> Quantizer:
        """The quantizer of one stream.

        Args:
            position: of the stream; streams: how many there are.
        """
        if len(self.quants) not in (1, streams) or any(not 0 <= place < streams for place in self.ready):
            raise BadOption(
                f"{type(self).__name__}: {streams} streams, but {len(self.quants)} quantizers and ready={self.ready}; "
                "give one quantizer, or one per stream"
            )
        quantizer: Quantizer = self.quants[position if len(self.quants) > 1 else 0]  # type: ignore[assignment] # checked
        return quantizer

    def on_grid(self, streams: Sequence[Tensor]) -> list[Tensor]:
        """The streams, quantized where they are not ready; all at once where their scale is measured."""
        count = len(streams)
        if self._measures:
            dim = int(any(x.shape != streams[0].shape for x in streams))  # side by side, else along the channels
            whole = self.quantizer(0, count)(torch.cat(list(streams), dim))
            return list(torch.split(whole, [x.shape[dim] for x in streams], dim))
        quantized = enumerate(streams)
        return [x if place in self.ready else self.quantizer(place, count)(x) for place, x in quantized]

    def _wires(self, signals: Sequence[Signal]) -> tuple[list[Range], tuple[Block, ...]]:
        """The range of each stream on the grid, and the thresholds that bring it there."""
        self._equal_steps()
        wires: list[Range] = []
        blocks: list[Block] = []
        for place, signal in enumerate(signals):
            codes, stream = quantized(self.quantizer(place, len(signals)), signal)
            if stream.affine is not None:
                raise UnknownPrecision(
                    f"{type(self).__name__}: the quantizer of stream {place} has one scale per channel; streams meet "
                    "on one common scale, so give it a scale for all channels"
                )
            wires.append(widest(stream.range))
            if place not in self.ready:
                blocks.append(thresholds(signal, codes))
            elif signal.affine is not None or not _inside(signal.range, stream.range):
                raise UnknownPrecision(
                    f"stream {place} is declared ready, but is not what its quantizer makes; drop it from ready="
                )
        return wires, tuple(blocks)

    def _grid(self) -> object | None:
        return self.quants[0] if len(self.quants) == 1 else None

    def _equal_steps(self) -> None:
        if len(self.quants) == 1:
            return
        with torch.no_grad():
            steps = [quantizer.step() for quantizer in self.quants]  # type: ignore[operator] # checked
        if any(not torch.allclose(step, steps[0], rtol=1e-5, atol=0.0) for step in steps):
            raise BadOption(
                f"{type(self).__name__}: its quantizers have unequal steps {[float(step) for step in steps]}; give one "
                "quantizer, or scales of equal step"
            )

    def extra_repr(self) -> str:
        return f"ready={self.ready}"


def _inside(wire: Range, of: Range) -> bool:
    wide = widest(of)
    return bool((wire.low >= wide.low).all() & (wire.high <= wide.high).all())


class QuantAdd(_Merge):
    """Sum of two streams: both onto one grid, then an exact integer addition, one bit wider where needed.

    Args:
        quant, ready: as described for every merge: a common quantizer, and the streams it has already made.
    """

    def forward(self, left: Tensor | QuantTensor, right: Tensor | QuantTensor) -> Tensor | QuantTensor:
        """left + right, of equal shapes."""
        if isinstance(left, QuantTensor) and isinstance(right, QuantTensor):
            a, b = self.on_grid((left.value, right.value))
            first, second = self.quantizer(0, 2), self.quantizer(1, 2)
            return QuantTensor(a, first.step(a), first.range()) + QuantTensor(b, second.step(b), second.range())
        if isinstance(left, QuantTensor) or isinstance(right, QuantTensor):
            raise BadOption("QuantAdd: one plain tensor and one QuantTensor; give two of a kind")
        a, b = self.on_grid((left, right))
        return a + b

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """Thresholds for streams that are not ready, and an adder per channel."""
        left, right = signals
        (a, b), blocks = self._wires((left, right))
        total = add(a, b)
        adder = Adder(channels=left.channels, vectors=left.positions, left=a, right=b, output=total)
        output = replace(left, range=total, affine=None, form=Form.AFFINE, grid=self._grid(), shifts=False)
        return LayerSpec(output=output, blocks=(*blocks, adder))


class QuantConcat(_Merge):
    """Streams one behind the other along the channels, on one grid and as wide as the widest.

    Args:
        quant, ready: as described for every merge: a common quantizer, and the streams it has already made.
    """

    def forward(self, *streams: Tensor | QuantTensor) -> Tensor | QuantTensor:
        """(N, C1, ...), (N, C2, ...), ... -> (N, C1 + C2 + ..., ...)."""
        plain = [x for x in streams if isinstance(x, Tensor)]
        if len(plain) == len(streams):
            return torch.cat(self.on_grid(plain), 1)
        whole = [x for x in streams if isinstance(x, QuantTensor)]
        if len(whole) != len(streams):
            raise BadOption("QuantConcat: plain tensors mixed with QuantTensors; give one kind")
        values = self.on_grid([x.value for x in whole])
        wire = join(*(widest(self.quantizer(place, len(whole)).range()) for place in range(len(whole))))
        return QuantTensor(torch.cat(values, 1), self.quantizer(0, len(whole)).step(values[0]), wire)

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """Thresholds for streams that are not ready, and what joins the streams."""
        wires, blocks = self._wires(signals)
        output = join(*wires)
        streams = tuple(signal.channels for signal in signals)
        joined = Concat(streams=streams, vectors=signals[0].positions, output=output)
        return LayerSpec(output=Signal(range=output, shape=shape, grid=self._grid()), blocks=(*blocks, joined))

"""Sums and concatenations of streams, which need one scale and get it from a common quantizer."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range, add, between, join, widest
from hwcost.graph.spec import Adder, Block, Concat, Form, LayerSpec, Signal
from hwcost.quant.layers.signals import integer, quantized, thresholds
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


def _shifted(wire: Range, bits: int) -> Range:
    return between(wire.low * 2**bits, wire.high * 2**bits) if bits else wire


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


class ShiftAdd(nn.Module):
    """Sum of two streams of integers as they come, whose steps are powers of two apart: a shift is wiring.

    Args:
        shifts: bits by which the integers of each stream are shifted left, so that both count in one step: log2 of
            its step over the smaller of both.
    """

    def __init__(self, shifts: tuple[int, int]) -> None:
        super().__init__()
        if len(shifts) != 2 or min(shifts) < 0:
            raise BadOption(f"ShiftAdd: shifts={shifts}; give the bits of each of two streams, at least 0")
        self.shifts = tuple(int(bits) for bits in shifts)

    def forward(self, left: Tensor | QuantTensor, right: Tensor | QuantTensor) -> Tensor | QuantTensor:
        """left + right, of equal shapes."""
        if isinstance(left, QuantTensor) and isinstance(right, QuantTensor):
            units = [x.scale / 2**bits for x, bits in zip((left, right), self.shifts, strict=True)]
            if not torch.allclose(units[0], units[1], rtol=1e-5, atol=0.0):
                raise BadOption(
                    f"ShiftAdd: shifts={self.shifts} of steps {left.scale} and {right.scale} differ in unit"
                )
            ranges = (_shifted(widest(x.range), bits) for x, bits in zip((left, right), self.shifts, strict=True))
            return QuantTensor(left.value + right.value, units[0], add(*ranges))
        if isinstance(left, QuantTensor) or isinstance(right, QuantTensor):
            raise BadOption("ShiftAdd: one plain tensor and one QuantTensor; give two of a kind")
        return left + right

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """An adder per channel, as wide as both streams need in one step.

        Raises:
            UnknownPrecision: a stream that is no integer of one step, or of no width.
        """
        for signal in signals:
            if not signal.range.known:
                raise UnknownPrecision("adds a stream of no width; put a QuantIdentity in front")
        first, second = (integer(signal) for signal in signals)
        if first.channels_last != second.channels_last:
            raise UnknownPrecision("adds a stream with its channels last to one with them first; move one of them")
        left, right = (
            _shifted(widest(signal.range), bits) for signal, bits in zip((first, second), self.shifts, strict=True)
        )
        total = add(left, right)
        adder = Adder(channels=first.channels, vectors=first.positions, left=left, right=right, output=total)
        output = replace(first, range=total, affine=None, form=Form.AFFINE, grid=self, shifts=False)
        return LayerSpec(output=output, blocks=(adder,))

    def extra_repr(self) -> str:
        return f"shifts={self.shifts}"


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

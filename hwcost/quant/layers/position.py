"""Constants that join a stream of vectors: learned positions, which are added, and tokens that stand in front."""

from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.blocks import Embedding, Pad
from hwcost.graph.ranges import add, between
from hwcost.graph.spec import Adder, Form, LayerSpec, Signal
from hwcost.quant.layers.merge import _Merge
from hwcost.quant.quantizers import Quantizer


class _Constant(_Merge):
    """A stream and a constant, on one grid.

    Args:
        value: of every sample, with a batch dimension of 1, or without; a Parameter is trained.
        quant: of the stream and of the constant.
    """

    def __init__(self, value: Tensor, quant: Quantizer) -> None:
        super().__init__(quant)
        if isinstance(value, nn.Parameter):
            self.value: Tensor = value
        else:
            self.register_buffer("value", value)

    def constant(self) -> Tensor:
        """The constant of a sample, with a batch dimension of 1."""
        return self.value

    def integers(self) -> Tensor:
        """The constant now, int64 on the CPU, with a batch dimension of 1."""
        whole: Tensor = self.quants[0].integers(self.constant())  # type: ignore[operator] # checked
        return whole.cpu()

    def _memory(self, rows: int, signal: Signal) -> Embedding:
        """The constant, read row by row."""
        wire = self._wires((signal,))[0][0]
        place, vectors = between(0, max(rows - 1, 1)), max(rows, 1)
        return Embedding(rows=vectors, channels=signal.channels, vectors=vectors, input=place, output=wire)


class QuantPosition(_Constant):
    """x + Q(value): learned positions of the tokens of a sequence, or any other constant that is added.

    Args:
        value: broadcasts against a batch; a Parameter is trained.
        quant: of the stream and of the constant, with one scale.
        index: of the part of `value` that is added, as in `value[index]`; None for all of it.
    """

    def __init__(self, value: Tensor, quant: Quantizer, *, index: object = None) -> None:
        super().__init__(value, quant)
        self.index = index

    def constant(self) -> Tensor:
        found = self.value if self.index is None else self.value[self.index]  # type: ignore[index] # as given
        return found if found.ndim and found.shape[0] == 1 else found[None]

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> the same."""
        value = self.constant()
        if value.ndim > x.ndim or any(a not in (1, b) for a, b in zip(value.shape[::-1], x.shape[::-1], strict=False)):
            raise BadOption(
                f"QuantPosition: a constant of shape {tuple(value.shape)} added to a batch of shape {tuple(x.shape)}; "
                "give it the shape of a sample"
            )
        a, b = self.on_grid((x, value.expand(x.shape) if self._measures else value))
        return a + b

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """Thresholds for the stream, a memory of the constant, and an adder per channel.

        Raises:
            UnknownPrecision: a stream of no width.
        """
        (signal,) = signals
        if not signal.range.known:
            raise UnknownPrecision("adds a constant to a stream of no width; put a QuantIdentity in front")
        (wire,), blocks = self._wires((signal,))
        total = add(wire, wire)
        memory = self._memory(signal.positions, signal)
        adder = Adder(channels=signal.channels, vectors=signal.positions, left=wire, right=wire, output=total)
        output = replace(signal, range=total, affine=None, form=Form.AFFINE, grid=self._grid(), shifts=False)
        return LayerSpec(output=output, blocks=(*blocks, memory, adder))


class QuantPrefix(_Constant):
    """Constant vectors in front of those of a sequence: the class token of a vision transformer.

    Args:
        value: (1, count, features); a Parameter is trained.
        quant: of the stream and of the constant, with one scale.
    """

    channels_last = True

    def forward(self, x: Tensor) -> Tensor:
        """(N, time, features) -> (N, count + time, features)."""
        front = self.value.expand(len(x), -1, -1)
        if self._measures:
            raise BadOption("QuantPrefix: the scale of its quantizer is measured; give it a LearnedScale")
        quantizer = self.quantizer(0, 1)
        return torch.cat([quantizer(front), quantizer(x)], 1)

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """Thresholds for the stream, a memory of the constant, and counters that let one or the other pass.

        Raises:
            UnknownPrecision: a stream of no width, or one whose vectors do not hold the last dimension.
        """
        (signal,) = signals
        if not signal.range.known:
            raise UnknownPrecision("precedes a stream of no width; put a QuantIdentity in front")
        if len(signal.shape) != 2 or not (signal.channels_last or signal.outside):
            raise UnknownPrecision(
                f"precedes a sample of shape {signal.shape}, whose vectors do not hold the last dimension; move the "
                "channels there with transpose"
            )
        stream = replace(signal, channels_last=True)
        (wire,), blocks = self._wires((stream,))
        count = self.value.shape[-2]
        front = Pad(sides=(stream.channels, prod(stream.spatial)), pads=((0, 0), (count, 0)), input=wire, output=wire)
        output = replace(stream, range=wire, shape=shape, affine=None, form=Form.AFFINE, grid=self._grid())
        return LayerSpec(output=output, blocks=(*blocks, self._memory(count, stream), front))

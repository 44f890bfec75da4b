"""Arithmetic on rows (the vectors of a sequence): what layer normalization and attention are composed of.

Each layer computes whole numbers from whole numbers, in training too, so that its hardware gives the same codes; the
gradient is that of the function that they stand for.
"""

from abc import abstractmethod
from math import ceil, log2
from typing import Protocol

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range, between, widest
from hwcost.graph.spec import Adder, Block, LayerSpec, Pool, ScaleBias
from hwcost.graph.ste import floor_ste, with_gradient_of
from hwcost.graph.wire import Form, Signal
from hwcost.quant.layers.signals import in_order, integer
from hwcost.quant.quantizers import common_range, common_step


class Grid(Protocol):
    """Source of a stream: a quantizer, or a layer that computes on integers. It knows their step and range."""

    def step(self, x: Tensor | None = None) -> Tensor:
        """Value of one integer step, ()."""
        ...

    def range(self) -> Range:
        """The integers that leave."""
        ...


class OnRows(nn.Module):
    """Base of layers that compute on the integers of rows (N, ..., features).

    Args:
        sources: what makes each stream that enters, in the order of forward's arguments.
    """

    channels_last = True
    rounds = True
    """Whether the codes are rounded; else they are those of the smooth function, as in a linear layer."""

    def __init__(self, *sources: Grid) -> None:
        super().__init__()
        self.set_sources(*sources)

    def set_sources(self, *sources: Grid) -> None:
        """Read the steps of other sources from now on."""
        self._sources = tuple(sources)  # a tuple, so that what stands in front is not registered here again

    @property
    def sources(self) -> tuple[Grid, ...]:
        """Source of each stream."""
        return self._sources

    @abstractmethod
    def codes(self, *streams: Tensor, x: Tensor | None = None) -> Tensor:
        """Whole numbers from whole numbers: int64 (N, ..., features) -> int64.

        Args:
            streams: integers. x: values of the first stream in training, where a measured scale needs them.
        """

    @abstractmethod
    def smooth(self, *values: Tensor) -> Tensor:
        """The function that the codes stand for, on values; its gradient is that of the layer."""

    @abstractmethod
    def step(self, x: Tensor | None = None) -> Tensor:
        """Value of one integer step of the output, ()."""

    @abstractmethod
    def range(self) -> Range:
        """The integers that leave; ()."""

    @abstractmethod
    def blocks(self, *signals: Signal) -> tuple[Block, ...]:
        """The hardware."""

    def steps(self, x: Tensor | None = None) -> list[Tensor]:
        """Step of each stream that enters, () each."""
        return [source_step(source, x) for source in self.sources]

    def forward(self, *values: Tensor) -> Tensor:
        """Apply the layer; see the class."""
        if not self.rounds:
            return self.smooth(*values)
        with torch.no_grad():
            steps = self.steps(values[0])
            streams = [
                torch.round(x.double() / step.double()).to(torch.int64) for x, step in zip(values, steps, strict=True)
            ]
            exact = self.codes(*streams, x=values[0]).double() * self.step(values[0]).double()
        return self.affine(with_gradient_of(exact.to(values[0].dtype), self.smooth(*values)))

    def affine(self, y: Tensor) -> Tensor:
        """Map per feature behind the integers, which the next thresholds absorb; none, unless a layer has one."""
        return y

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """The blocks of the layer.

        Raises:
            UnknownPrecision: a stream of no width, with an unabsorbed map, or of another source.
        """
        for signal, source in zip(signals, self.sources, strict=True):
            made_by(signal, source, type(self).__name__)
        output = Signal(
            range=self.range(), shape=shape, grid=self, channels_last=len(shape) > 1, affine=self.open, form=Form.AFFINE
        )
        return LayerSpec(output=output, blocks=self.blocks(*signals))

    @property
    def open(self) -> str | None:
        """Name of the map per feature that is left to the next thresholds."""
        return None


def made_by(signal: Signal, source: Grid, owner: str) -> None:
    """Refuse a stream that its source did not make, or that is none of integers of one step.

    Args:
        signal: what enters; source: whose step is read; owner: name of the layer, for the message.

    Raises:
        UnknownPrecision: no width, an unabsorbed map, another source.
    """
    if not signal.range.known:
        raise UnknownPrecision(f"the input of shape {signal.shape} has no bit-width; put a QuantIdentity in front")
    in_order(integer(signal), channels_last=True, owner=owner)
    if signal.grid is not None and signal.grid is not source:
        raise UnknownPrecision(
            f"{type(signal.grid).__name__} makes its input, but it reads the step of another source; call set_source() "
            "or set_sources() with what stands in front"
        )


def source_step(source: Grid, x: Tensor | None) -> Tensor:
    """The one step of a source.

    Raises:
        UnknownPrecision: a step per channel.
    """
    step = common_step(source, x)  # type: ignore[arg-type]
    if step.numel() != 1:
        raise UnknownPrecision("rows are summed up, so their quantizer needs one scale for all channels")
    return step.reshape(())


def source_range(source: Grid) -> Range:
    """The integers of a source, ()."""
    return widest(common_range(source))  # type: ignore[arg-type]


def numbers_of(source: Grid, x: Tensor | None) -> tuple[float, int, int]:
    """(step, lowest code, highest code) of a source now, as Python numbers."""
    known = getattr(source, "numbers", None)
    found = None if known is None else known()
    if found is not None:
        return found[0], int(found[1]), int(found[2])
    with torch.no_grad():
        wire = source_range(source)
        return float(source_step(source, x)), int(wire.low), int(wire.high)


def rows_of(signal: Signal, features: int) -> int:
    """Number of rows of a sample."""
    if signal.channels != features:
        raise BadOption(f"rows of {signal.channels} features enter, and the layer was built for {features}")
    return signal.positions


class RowMean(OnRows):
    """Mean of each row, fraction_bits finer than the input: a sum, and a factor where features is no power of two.

    Args:
        features: elements of a row.
        source: of the rows.
        fraction_bits: bits of the mean below the step of the input.
    """

    def __init__(self, features: int, source: Grid, *, fraction_bits: int = 2) -> None:
        super().__init__(source)
        if features < 1 or not 0 <= fraction_bits <= 16:
            raise BadOption(f"RowMean({features}, fraction_bits={fraction_bits}); give at least 1, and 0 to 16 bits")
        self.features, self.fraction_bits = features, fraction_bits

    def ratio(self) -> tuple[int, int]:
        """(factor, shift): the mean is factor * sum >> shift, after half of 2^shift was added."""
        places = self.features.bit_length() - 1
        if self.features == 1 << places:
            return (1, places - self.fraction_bits) if places >= self.fraction_bits else (
                1 << (self.fraction_bits - places), 0,
            )  # fmt: skip
        wire = source_range(self.sources[0])
        reach = max(abs(float(wire.low.detach())), abs(float(wire.high.detach()))) * self.features
        shift = ceil(log2(reach + 1)) + self.fraction_bits + 1
        return round(2.0 ** (shift + self.fraction_bits) / self.features), shift

    def codes(self, *streams: Tensor, x: Tensor | None = None) -> Tensor:
        factor, shift = self.ratio()
        total: Tensor = (streams[0].sum(-1, keepdim=True) * factor + (1 << shift >> 1)) >> shift
        return total

    def smooth(self, *values: Tensor) -> Tensor:
        return values[0].mean(-1, keepdim=True)

    def step(self, x: Tensor | None = None) -> Tensor:
        return source_step(self.sources[0], x) / (1 << self.fraction_bits)

    def range(self) -> Range:
        wire, (factor, shift) = source_range(self.sources[0]), self.ratio()
        half = 1 << shift >> 1
        ends = ((bound * self.features * factor + half) / 2**shift for bound in (wire.low, wire.high))
        return between(*(floor_ste(end) for end in ends))

    def blocks(self, *signals: Signal) -> tuple[Block, ...]:
        wire, rows = widest(signals[0].range), rows_of(signals[0], self.features)
        total = between(wire.low * self.features, wire.high * self.features)
        found: tuple[Block, ...] = (total_of(wire, total, self.features, rows),)
        factor, _ = self.ratio()
        if factor & (factor - 1):
            scaled = between(total.low * factor, total.high * factor)
            weight = between(factor, factor)
            found += (ScaleBias(channels=1, vectors=rows, input=total, weight=weight, bias=None, output=scaled),)
        return found


def total_of(wire: Range, total: Range, features: int, rows: int) -> Pool:
    """The adder that sums up rows of elements of a range."""
    return Pool(kind="sum", channels=1, kernel=(features,), vectors=rows, input=wire, output=total)


class RowDifference(OnRows):
    """Rows less one number each: x - m, in the finer of their steps, which are a power of two apart.

    Args:
        source: of the rows; of: the layer that makes the numbers from the same rows.
        bits: by which the numbers are finer.
    """

    rounds = False

    def __init__(self, source: Grid, of: Grid, *, bits: int) -> None:
        super().__init__(source, of)
        self.bits = bits

    def codes(self, *streams: Tensor, x: Tensor | None = None) -> Tensor:
        rows, means = streams
        apart: Tensor = (rows << self.bits) - means
        return apart

    def smooth(self, *values: Tensor) -> Tensor:
        return values[0] - values[1]

    def step(self, x: Tensor | None = None) -> Tensor:
        return source_step(self.sources[0], x) / (1 << self.bits)

    def range(self) -> Range:
        x, m = (source_range(source) for source in self.sources)
        return between(x.low * 2**self.bits - m.high, x.high * 2**self.bits - m.low)

    def blocks(self, *signals: Signal) -> tuple[Block, ...]:
        x, m = (widest(signal.range) for signal in signals)
        less = between(-m.high, -m.low)
        channels, rows = signals[0].channels, signals[0].positions
        return (Adder(channels=channels, vectors=rows, left=x, right=less, output=self.range()),)


class RowMax(OnRows):
    """The largest element of each row.

    Args:
        source: of the rows.
    """

    rounds = False

    def codes(self, *streams: Tensor, x: Tensor | None = None) -> Tensor:
        return streams[0].amax(-1, keepdim=True)

    def smooth(self, *values: Tensor) -> Tensor:
        return values[0].amax(-1, keepdim=True)

    def step(self, x: Tensor | None = None) -> Tensor:
        return source_step(self.sources[0], x)

    def range(self) -> Range:
        return source_range(self.sources[0])

    def blocks(self, *signals: Signal) -> tuple[Block, ...]:
        wire = widest(signals[0].range)
        width, rows = signals[0].channels, signals[0].positions
        return (Pool(kind="max", channels=1, kernel=(width,), vectors=rows, input=wire, output=wire),)

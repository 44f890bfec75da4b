"""Descriptions of layers for hardware models: signals on wires, blocks behind them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from hwcost.graph.ranges import Range
from hwcost.graph.wire import Form as Form
from hwcost.graph.wire import Signal as Signal


@dataclass(frozen=True, eq=False, kw_only=True)
class Block:
    """A piece of hardware that a model prices; a new kind is a frozen subclass."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MatVec(Block):
    """Matrix-vector product: one Linear, or one Conv of any rank after lowering.

    Attributes:
        rows: outputs per group (MH).
        cols: multiply-adds per output (MW).
        groups: independent products (depthwise: one per channel).
        vectors: vectors per inference (output pixels).
        weight: range of the weights; () or (rows * groups,) or (rows * groups, cols).
        input: range of an input element; () .
        acc: range of the accumulator; () or (rows * groups,).
        integers: the current weights, int64 (rows * groups, cols), or a function of none; None if they may change.
        bias: range of an integer bias that is added, already part of acc; () or (rows * groups,); None without one.
        columns: range of each input element, (cols,), where they have widths of their own; None where all have that of
            `input`.
        held: weight matrices that arrive as a stream for every inference (attention); a RAM holds twice as many,
            because the next ones arrive while these are used. 0: weights that are stored for good.
        by_column: whether a word of that stream belongs to one column (an input) instead of one row (an output).
        loop: cycles from the last result of a vector to the first word of the next one, which depends on it (a
            recurrent layer); 0 where vectors are independent.
    """

    rows: int
    cols: int
    groups: int = 1
    vectors: int = 1
    weight: Range
    input: Range
    acc: Range
    integers: Tensor | Callable[[], Tensor] | None = field(default=None, repr=False)
    bias: Range | None = None
    columns: Range | None = None
    held: int = 0
    by_column: bool = False
    loop: int = 0

    def constants(self) -> Tensor | None:
        """The current integer weights, int64 (rows * groups, cols); None if they change at run time."""
        return self.integers() if callable(self.integers) else self.integers

    @property
    def macs(self) -> int:
        """Multiply-accumulates per inference."""
        return self.rows * self.cols * self.groups * self.vectors

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.rows * self.cols * self.groups


@dataclass(frozen=True, eq=False, kw_only=True)
class Window(Block):
    """Sliding window with its line buffer, in front of a convolution or a pooling.

    Attributes:
        channels: of the image.
        image: (height, width) or (length,) of the input, without padding.
        kernel, stride, dilation: one number per spatial dimension.
        padding: (before, after) per spatial dimension, in pixels.
        output: spatial shape of the output.
        input: range of an element; ().
        depthwise: whether channels are kept apart (pooling, depthwise convolution).
        spread: distance of the pixels that enter in the image, per spatial dimension; () where the image is as it is.
    """

    channels: int
    image: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    output: tuple[int, ...]
    input: Range
    depthwise: bool = False
    spread: tuple[int, ...] = ()

    @property
    def entering(self) -> tuple[int, ...]:
        """Spatial shape of what enters: the image without the zeros between its pixels."""
        gaps = self.spread or (1,) * len(self.image)
        return tuple((size - 1) // gap + 1 for size, gap in zip(self.image, gaps, strict=True))

    @classmethod
    def tiles(cls, channels: int, image: tuple[int, ...], output: tuple[int, ...], element: Range) -> "Window":
        """Make the window of a pooling that divides an image into `output` tiles, channel by channel.

        Args:
            channels, image: as the attributes; each side a multiple of that of `output`.
            output: spatial shape of the output.
            element: range of an element; ().
        """
        kernel = tuple(size // count for size, count in zip(image, output, strict=True))
        return cls(
            channels=channels,
            image=image,
            kernel=kernel,
            stride=kernel,
            dilation=(1,) * len(kernel),
            padding=((0, 0),) * len(kernel),
            output=output,
            input=element,
            depthwise=True,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Thresholds(Block):
    """Quantized activation: counts how many of its 2^bits - 1 thresholds an accumulator passes.

    Attributes:
        channels: with thresholds of their own.
        vectors: vectors per inference.
        input: range of what is compared; () or (channels,).
        output: range of the result; () or (channels,).
        shifted: whether the thresholds of a channel are a power of two of the input's integers apart: an addend, a
            shift and a clip, and no comparators.
    """

    channels: int
    vectors: int
    input: Range
    output: Range
    shifted: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Block):
    """Reduction over a window.

    Attributes:
        kind: "max" (comparators) or "sum" (adders; an average is a sum and a shift or a scale).
        channels: of the image.
        kernel, vectors: elements per window, as one number per spatial dimension; output pixels per inference.
        input, output: range of an element; ().
    """

    kind: str
    channels: int
    kernel: tuple[int, ...]
    vectors: int
    input: Range
    output: Range


@dataclass(frozen=True, eq=False, kw_only=True)
class Adder(Block):
    """Element-wise sum of two streams.

    Attributes:
        channels, vectors: geometry of the stream.
        left, right, output: ranges; ().
    """

    channels: int
    vectors: int
    left: Range
    right: Range
    output: Range


@dataclass(frozen=True, eq=False, kw_only=True)
class Saturate(Block):
    """Clips a stream of integers to a narrower range: two comparators and a multiplexer per lane.

    Attributes:
        channels, vectors: geometry of the stream.
        input, output: ranges; () or (channels,).
    """

    channels: int
    vectors: int
    input: Range
    output: Range


@dataclass(frozen=True, eq=False, kw_only=True)
class ScaleBias(Block):
    """Integer multiply and add per channel.

    Attributes:
        channels, vectors: geometry of the stream.
        input, output: range of an element; ().
        weight, bias: ranges of the factor and the addend; () or (channels,); bias None without one.
    """

    channels: int
    vectors: int
    input: Range
    weight: Range
    bias: Range | None
    output: Range


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Block):
    """Joins streams along their channels: a multiplexer.

    Attributes:
        streams: channels of each stream, in order.
        vectors: per inference.
        output: range of an element of the result; ().
    """

    streams: tuple[int, ...]
    vectors: int
    output: Range

    @property
    def channels(self) -> int:
        """Channels of the result."""
        return sum(self.streams)


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelSelect(Block):
    """Index of the largest of a vector's elements (argmax).

    Attributes:
        channels: elements to compare.
        vectors: per inference.
        input, output: range of an element, () or (channels,), and of the index, ().
    """

    channels: int
    vectors: int
    input: Range
    output: Range


@dataclass(frozen=True, eq=False, kw_only=True)
class Link(Block):
    """The stream from one block to the next: a copy where it has several readers, a converter, a FIFO.

    No layer describes one; `hwcost.models.place` puts them between the blocks of a pipeline.

    Attributes:
        source: the block that makes the stream; None where it enters the network, or is not known.
        sink: the block that reads it.
        wire: range of an element; () or (channels,).
    """

    source: Block | None
    sink: Block
    wire: Range


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerSpec:
    """Result of `describe`: the signal that leaves a layer, and the hardware that makes it.

    Attributes:
        output: the signal behind the layer.
        blocks: in the order of the stream; empty for layers that are wires (flatten, dropout).
    """

    output: Signal
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer:
    """One layer of a traced network with its live description.

    Attributes:
        name, kind: unique name of the module or function in the graph; name of its class or function.
        inputs, spec: the signals that enter, and what `describe` returned.
    """

    name: str
    kind: str
    inputs: tuple[Signal, ...]
    spec: LayerSpec

    @property
    def output(self) -> Signal:
        return self.spec.output

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.spec.blocks

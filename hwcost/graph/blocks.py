"""Blocks that look codes up, multiply two streams, or change what a stream consists of and in which order."""

from dataclasses import dataclass
from math import prod

from hwcost.graph.ranges import Range
from hwcost.graph.spec import Block


@dataclass(frozen=True, eq=False, kw_only=True)
class Table(Block):
    """A function of one code, looked up: a memory with a word for each code that enters.

    Attributes:
        channels, vectors: geometry of the stream; all channels share the function.
        input, output: ranges of the codes; ().
    """

    channels: int
    vectors: int
    input: Range
    output: Range


@dataclass(frozen=True, eq=False, kw_only=True)
class Multiplier(Block):
    """Element-wise product of two streams.

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
class ChannelSum(Block):
    """Sum of all pixels of each channel: an adder, and a memory of a sum for each channel.

    Attributes:
        channels, vectors: geometry of the stream that enters.
        input, output: ranges of an element and of a sum; ().
    """

    channels: int
    vectors: int
    input: Range
    output: Range


@dataclass(frozen=True, eq=False, kw_only=True)
class Repeat(Block):
    """Nearest-neighbour upsampling: every pixel again `factors` times along each dimension, from a buffer of a line.

    Attributes:
        channels: of the stream.
        image: spatial shape that enters.
        factors: repetitions along each dimension, in the order of `image`.
        input: range of an element; ().
    """

    channels: int
    image: tuple[int, ...]
    factors: tuple[int, ...]
    input: Range

    @property
    def output(self) -> Range:
        """Range of what leaves."""
        return self.input

    @property
    def vectors(self) -> int:
        """Pixels that leave per inference."""
        return prod(self.image) * prod(self.factors)

    @property
    def held(self) -> int:
        """Pixels that are kept to be read again: all below the outermost dimension that is repeated."""
        first = next((place for place, factor in enumerate(self.factors) if factor > 1), len(self.factors))
        return prod(self.image[first + 1 :])


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Block):
    """Zeros around a stream, or elements of it left out: counters that let pass, insert or drop.

    Attributes:
        sides: elements that enter: channels, then each spatial dimension.
        pads: (before, after) along each of `sides`; below 0 where elements are dropped.
        input, output: range of an element; ().
    """

    sides: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    input: Range
    output: Range

    @property
    def channels(self) -> int:
        """Channels that enter."""
        return self.sides[0]

    @property
    def vectors(self) -> int:
        """Pixels that enter per inference."""
        return prod(self.sides[1:])

    @property
    def span(self) -> tuple[int, ...]:
        """Elements that are walked over along each side, whether they enter, leave or both."""
        return tuple(size + max(0, a) + max(0, b) for size, (a, b) in zip(self.sides, self.pads, strict=True))


@dataclass(frozen=True, eq=False, kw_only=True)
class Reorder(Block):
    """Elements of a stream in another order, from a buffer that is written while the one before is read.

    Attributes:
        channels, vectors: geometry of what leaves.
        held: elements of one half of the buffer: a line for a pixel shuffle, a sample for a transposition.
        lanes: elements that stay together in both orders; PE divides them.
        input: range of an element; ().
    """

    channels: int
    vectors: int
    held: int
    lanes: int
    input: Range

    @property
    def output(self) -> Range:
        """Range of what leaves."""
        return self.input


@dataclass(frozen=True, eq=False, kw_only=True)
class Embedding(Block):
    """Rows of a matrix of constants, looked up.

    Attributes:
        rows: of the matrix; channels: of a row. vectors: rows that are looked up per inference.
        input, output: ranges of an index and of an element; ().
    """

    rows: int
    channels: int
    vectors: int
    input: Range
    output: Range


@dataclass(frozen=True, eq=False, kw_only=True)
class State(Block):
    """Memory of a vector that a recurrent layer keeps from one step to the next.

    Attributes:
        channels, vectors: elements of the vector, and steps per inference.
        input, output: range of an element; ().
    """

    channels: int
    vectors: int
    input: Range
    output: Range

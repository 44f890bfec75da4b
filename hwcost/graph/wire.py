"""Streams between two layers, and how their integers become values."""

from dataclasses import dataclass, field
from enum import IntEnum
from math import prod

from hwcost.graph.ranges import Range


class Form(IntEnum):
    """Map from the integers of a channel to its values; each form includes those before it.

    SCALE: a step of its own. AFFINE: a step and an offset (batch norm, float bias). MONOTONE: any monotone function.
    ORDER: one that differs from sample to sample, so that only the largest channel is known. HOST: one that differs
    from sample to sample and mixes channels of maps of their own: the host computes it, and nothing can follow.
    """

    SCALE = 1
    AFFINE = 2
    MONOTONE = 3
    ORDER = 4
    HOST = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Signal:
    """A stream between two layers.

    Attributes:
        range: the integers on the wire.
        shape: of one sample, without the batch: (features,), (channels, length), (channels, height, width),
            (time, features).
        affine: name of a layer whose map per channel (batch norm, float bias) is still to be absorbed by the
            thresholds of the next activation; None where one common step turns integers into values.
        form: kind of that map; without meaning where `affine` is None.
        grid: what gave the integers their step (a quantizer, or a layer); None where that is not known.
        channels_last: whether `shape` holds the channels last, as sequences (time, features) do. On the wire they
            always stand together, vector by vector, so that moving the dimension is no hardware.
        outside: whether no layer has fixed the order yet: who sends the data sends vectors as the first layer reads
            them.
        shifts: whether the steps of all channels are known to be powers of two, so that a shift, and an addend where
            there is a bias, takes the integers from one to another.
    """

    range: Range
    shape: tuple[int, ...]
    affine: str | None = None
    form: Form = Form.AFFINE
    grid: object | None = field(default=None, repr=False)
    channels_last: bool = False
    outside: bool = False
    shifts: bool = False

    @property
    def channels(self) -> int:
        """Size of the channel (or feature) dimension."""
        return self.shape[-1 if self.channels_last else 0]

    @property
    def spatial(self) -> tuple[int, ...]:
        """Sizes of all other dimensions."""
        return self.shape[:-1] if self.channels_last else self.shape[1:]

    @property
    def positions(self) -> int:
        """Vectors of `channels` elements per sample: 1 after a Linear, height * width after a Conv2d."""
        return prod(self.spatial)

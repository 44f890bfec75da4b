"""A pipeline that is folded again whenever its widths change."""

from collections.abc import Collection, Sequence
from math import ceil
from typing import Unpack

import torch
from torch import Tensor

from hwcost.graph.ranges import Range, widest
from hwcost.models.dataflow import Dataflow
from hwcost.models.device import Device
from hwcost.models.device import device as find_device
from hwcost.models.folding.target_fps import fold_blocks
from hwcost.models.formulas.matvec import MAX_STREAM_BITS
from hwcost.models.memo import Memo
from hwcost.models.options import StyleOptions, Styles
from hwcost.models.resources import RESOURCES, Placed

MOST_KEPT = 1024
"""Foldings that are remembered."""


class Refolding:
    """`Dataflow` at a frame rate instead of a folding: the price of the current widths, folded to suit them.

    A folding that was the cheapest at 8 bits need not be it at 3, and at a fixed folding a width that grows may make a
    stream wider than is legal; here every combination of whole widths has its own, by `target_fps`. It remembers a pure
    function, so nothing it holds can be out of date. `LiveCost` and `WidthPrices` take it, but cannot price its layers
    apart; for long trainings fold once, train, and fold again.

    Args:
        fps: frames per second that every folding reaches, above 0.
        device: a Device, or its name.
        clock_mhz, styles: as `Dataflow`.
        max_stream_bits: widest legal stream.

    Raises:
        UnknownDevice, BadOption: what the argument is, and what it may be.
    """

    resources: tuple[str, ...] = RESOURCES

    def __init__(
        self,
        fps: float,
        *,
        device: Device | str,
        clock_mhz: float = 100.0,
        max_stream_bits: int = MAX_STREAM_BITS,
        **styles: Unpack[StyleOptions],
    ) -> None:
        self.fps, self.clock_mhz, self.max_stream_bits = fps, clock_mhz, max_stream_bits
        self.device = find_device(device) if isinstance(device, str) else device
        self._options, self._styles = styles, Styles(**styles)
        self._memo: Memo[tuple[object, ...], Dataflow] = Memo(MOST_KEPT)
        self._folded([])  # refuse wrong options now

    def price(self, placed: Sequence[Placed]) -> dict[str, Tensor]:
        """Price the blocks as `Dataflow.price`, with the current folding; total LUT is non-decreasing in every width.

        Args:
            placed: all blocks of a pipeline, from `place`.

        Returns:
            As `Dataflow.price`. Gradient: at the current folding.

        Raises:
            BadFolding: a block cannot be that fast, or has no legal folding at its widths.
        """
        return self.folded(placed).price(placed)

    def check_names(self, layers: Collection[str], placed: Sequence[Placed]) -> None:
        """Refuse multipliers and memories for layers that the network does not have."""
        self._styles.check_names(layers)

    def folded(self, placed: Sequence[Placed]) -> Dataflow:
        """The pipeline with the folding for its current widths."""
        key = tuple((item.layer, type(item.block), *_sizes(item)) for item in placed)
        return self._memo.of([key], lambda _: [self._folded(placed)])[0]

    def _folded(self, placed: Sequence[Placed]) -> Dataflow:
        folding = fold_blocks(
            placed, self.fps, self._styles, clock_mhz=self.clock_mhz, max_stream_bits=self.max_stream_bits
        )
        return Dataflow(device=self.device, folding=folding, clock_mhz=self.clock_mhz, **self._options)


def _sizes(item: Placed) -> tuple[object, ...]:
    """Everything that a folding depends on: the geometry of a block, its whole widths and their kind."""
    with torch.no_grad():
        return tuple(
            (ceil(float(widest(value).bits)), value.bipolar, bool((value.low == -value.high).all()))
            if isinstance(value, Range)
            else value
            for value in vars(item.block).values()
            if isinstance(value, Range | int | str | tuple)
        )

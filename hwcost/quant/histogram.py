"""Histograms of what reaches a quantizer, and the threshold that suits them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hwcost.graph.ste import ceil_log2
from hwcost.quant.scale import LEAST, POW2

BINS = 4096
"""Bins of a histogram: a percentile is met to 1/1024 of the largest magnitude at worst (the range at most doubles)."""

CANDIDATES = 100
"""Thresholds among which the least squared error is searched: hundredths of the largest magnitude."""

OCTAVES = 10
"""The same for powers of two: from the first that holds the largest magnitude downwards."""


class Histogram:
    """Counts of values over a symmetric range, which doubles as larger ones come; one row per channel.

    Args:
        channel_dim: dimension of what is counted whose indices have rows of their own; None for one row.

    Attributes:
        counts: float64 (rows, BINS). reach: float64 (rows, 1), half of the range. largest: (rows,), magnitude.
        rank: dimensions of what was counted.
    """

    def __init__(self, channel_dim: int | None) -> None:
        self.channel_dim, self.rank = channel_dim, 0
        self.counts = self.reach = self.largest = torch.zeros(0)

    def add(self, x: Tensor) -> None:
        """Count the values of a batch; NaN and infinities are left out."""
        self.rank = x.ndim
        flat = x.detach().to("cpu", torch.float64)
        rows = flat.reshape(1, -1) if self.channel_dim is None else flat.movedim(self.channel_dim, 0).flatten(1)
        rows = torch.where(rows.isfinite(), rows, torch.zeros(()))
        largest = rows.abs().amax(1)
        if not self.counts.numel():
            self.counts = torch.zeros(len(rows), BINS, dtype=torch.float64)
            self.reach, self.largest = largest.clamp(min=LEAST)[:, None], largest
        self.largest = torch.maximum(self.largest, largest)
        while bool((short := self.largest[:, None] > self.reach).any()):
            halved = self.counts.reshape(-1, BINS // 2, 2).sum(2)
            wider = torch.nn.functional.pad(halved, (BINS // 4, BINS // 4))
            self.counts = torch.where(short, wider, self.counts)
            self.reach = torch.where(short, 2 * self.reach, self.reach)
        place = ((rows / self.reach + 1) * (BINS // 2)).floor().clamp(0, BINS - 1).to(torch.int64)
        place += BINS * torch.arange(len(rows))[:, None]
        self.counts += torch.bincount(place.flatten(), minlength=self.counts.numel()).reshape(self.counts.shape)

    def values(self) -> Tensor:
        """The middle of every bin, float32, in a tensor of as many dimensions as was counted: channels in theirs."""
        middle = self.reach * ((torch.arange(BINS, dtype=torch.float64) + 0.5) * 2 / BINS - 1)
        return self.shaped(middle)

    def shaped(self, rows: Tensor) -> Tensor:
        """(rows, n) numbers along the channels, and along one other dimension, of what was counted; float32."""
        if self.channel_dim is None:
            return rows.reshape(-1, *[1] * (self.rank - 1)).float()
        place = self.channel_dim % self.rank
        other = 0 if place else self.rank - 1
        return rows.t().reshape(-1, len(rows), *[1] * (self.rank - 2)).movedim((0, 1), (other, place)).float()

    @torch.no_grad()
    def squared_error(self, quantize: Callable[[Tensor], Tensor]) -> Tensor:
        """Sum of the squared errors that quantizing makes, float64 (rows,)."""
        x = self.values()
        error = (quantize(x).double() - x.double()).square()
        if self.channel_dim is None:
            return (error.reshape(1, -1) * self.counts).sum(1)
        return (error.movedim(self.channel_dim, 0).flatten(1) * self.counts).sum(1)

    def percentile(self, percent: float) -> Tensor:
        """The magnitude below which `percent` of the values lie, float64 (rows,)."""
        folded = self.counts[:, BINS // 2 :] + self.counts[:, : BINS // 2].flip(1)
        wanted = folded.sum(1, keepdim=True) * percent / 100
        place = (folded.cumsum(1) < wanted).sum(1) + 1
        return torch.minimum(place * self.reach[:, 0] * 2 / BINS, self.largest)


@torch.no_grad()
def least_error(quantizers: Sequence[tuple[Any, Histogram]]) -> Tensor:
    """The threshold with the least squared error over all quantizers that share it, float64 (rows,).

    Args:
        quantizers: each with the histogram of what reaches it; their common scale has `set_threshold`.
    """
    scale = quantizers[0][0].scale
    largest = torch.stack([seen.largest for _, seen in quantizers]).amax(0).clamp(min=LEAST)
    power = scale.domain is POW2
    if power:
        candidates = torch.exp2(ceil_log2(largest)) * torch.exp2(-torch.arange(OCTAVES, dtype=torch.float64))[:, None]
    else:
        candidates = largest * (torch.arange(CANDIDATES, dtype=torch.float64) + 1)[:, None] / CANDIDATES
    errors = []
    for threshold in candidates:
        scale.set_threshold(quantizers[0][1].shaped(threshold[:, None]))
        errors.append(torch.stack([seen.squared_error(quantizer.quantize) for quantizer, seen in quantizers]).sum(0))
    return candidates.gather(0, torch.stack(errors).argmin(0, keepdim=True))[0]

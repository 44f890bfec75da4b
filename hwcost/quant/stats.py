"""Statistics of a tensor's magnitude: functions (x, dims) -> threshold."""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, sqrt

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ste import ceil_log2

Dims = tuple[int, ...] | None
Stat = Callable[[Tensor, Dims], Tensor]
"""(x, dims) -> statistic; dims are reduced and kept as 1; None reduces everything to ()."""


def abs_max(x: Tensor, dims: Dims = None) -> Tensor:
    """Largest magnitude; the gradient goes to the first largest element.

    >>> abs_max(torch.tensor([1.0, -4.0])).item()
    4.0
    """
    size = x.abs()
    if dims is None:
        return size.reshape(-1).max(0).values
    kept = [dim for dim in range(x.ndim) if dim not in dims]
    rows = size.permute(*kept, *dims).reshape(*(x.shape[dim] for dim in kept), -1)
    return rows.max(-1).values.reshape([1 if dim in dims else x.shape[dim] for dim in range(x.ndim)])


def abs_mean(x: Tensor, dims: Dims = None) -> Tensor:
    """Mean magnitude."""
    size = x.abs()
    return size.mean() if dims is None else size.mean(dims, keepdim=True)


def mean_of_channel_max(x: Tensor, dims: Dims = None) -> Tensor:
    """Mean over channels (dimension 0) of each one's largest magnitude; one number per tensor.

    Raises:
        BadOption: asked for one number per channel.
    """
    if dims is not None:
        raise BadOption("mean_of_channel_max: it is one number per tensor; use channel_dim=None")
    return x.abs().flatten(1).amax(1).mean() if x.ndim > 1 else abs_max(x)


def mean_plus_sigma(x: Tensor, dims: Dims, sigma: float | Tensor) -> Tensor:
    """mean(|x|) + sigma std(|x|), std unbiased (0 for a single element), with 1e-8 under the root."""
    size = x.abs()
    count = x.numel() if dims is None else int(torch.tensor([x.shape[dim] for dim in dims]).prod())
    mean = size.mean() if dims is None else size.mean(dims, keepdim=True)
    apart = size - mean
    # in units of a power of two: exact, and squares of large values do not overflow
    unit = torch.exp2(ceil_log2(apart.detach().abs().amax().clamp(min=1)))
    square = (apart / unit).square()
    total = square.sum() if dims is None else square.sum(dims, keepdim=True)
    return mean + sigma * (unit * torch.sqrt(total / max(count - 1, 1) + 1e-8 / unit.square()))


@dataclass(frozen=True)
class MeanSigma:
    """See `mean_sigma`; a class, so that a model can be pickled."""

    sigma: float

    def __call__(self, x: Tensor, dims: Dims = None) -> Tensor:
        return mean_plus_sigma(x, dims, self.sigma)


def mean_sigma(sigma: float) -> Stat:
    """The statistic mean(|x|) + sigma std(|x|) with a constant sigma, at least 0."""
    if not sigma >= 0:
        raise BadOption(f"mean_sigma({sigma!r}): give a number of at least 0")
    return MeanSigma(sigma)


class LearnedSigma(nn.Module):
    """mean(|x|) + sigma std(|x|) with a learned sigma.

    Args:
        sigma: starting value.
        shape: of the threshold: (), or one per channel, broadcastable to x.
    """

    def __init__(self, sigma: float = 3.0, *, shape: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.full(shape, float(sigma)))

    def forward(self, x: Tensor, dims: Dims = None) -> Tensor:
        """The statistic; gradients to x and sigma."""
        return mean_plus_sigma(x, dims, self.sigma)


@dataclass(frozen=True)
class Percentile:
    """See `percentile`; a class, so that a model can be pickled."""

    percent: float

    def __call__(self, x: Tensor, dims: Dims = None) -> Tensor:
        rest = [dim for dim in range(x.ndim) if dims is None or dim in dims]
        kept = [dim for dim in range(x.ndim) if dim not in rest]
        rows = x.abs().permute(*kept, *rest).reshape(*(x.shape[dim] for dim in kept), -1)
        rank = min(rows.shape[-1], max(1, floor(rows.shape[-1] * self.percent / 100 + 0.5)))
        value = rows.kthvalue(rank, dim=-1).values
        return value.reshape([x.shape[dim] if dim in kept else 1 for dim in range(x.ndim)] if dims is not None else ())


def percentile(percent: float) -> Stat:
    """The statistic: the magnitude below which `percent` of the elements lie, 0 < percent <= 100."""
    if not 0 < percent <= 100:
        raise BadOption(f"percentile({percent!r}): give a number above 0, at most 100")
    return Percentile(percent)


def he(fan_in: int) -> float:
    """sqrt(2 / fan_in), the spread of He's initialization: a constant threshold.

    >>> round(he(8), 3)
    0.5
    """
    if fan_in < 1:
        raise BadOption(f"he({fan_in!r}): give a fan-in of at least 1")
    return sqrt(2 / fan_in)

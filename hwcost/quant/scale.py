"""Scales: what value the largest integer stands for (the threshold). Calling one with x gives it as a tensor."""

from __future__ import annotations

from enum import Enum
from math import nan
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ste import ceil_log2, ceil_ste
from hwcost.quant.kernels.scalar import scalar_quant
from hwcost.quant.kernels.tensor import Kind
from hwcost.quant.precision import FullPrecision
from hwcost.quant.stats import Dims, Stat

LEAST = 2.0**-16
"""No threshold falls below it: a channel of zeros still has a finite step and finite gradients."""


Numbers = tuple[Tensor, int, int]
"""Widths to be read outside of autograd: (offset, base, most), as `ste.whole_bits`."""


class Domain(Enum):
    """How a threshold is represented.

    FLOAT: as it is. LOG: by its logarithm, so that it stays positive and learns in ratios. POW2: rounded up to a power
    of two, so that rescaling is a shift.
    """

    FLOAT = "float"
    LOG = "log"
    POW2 = "pow2"


FLOAT, LOG, POW2 = Domain.FLOAT, Domain.LOG, Domain.POW2


@runtime_checkable
class Scale(Protocol):
    """Anything that gives a quantizer its threshold."""

    domain: Domain
    channel_dim: int | None

    def __call__(self, x: Tensor | None = None) -> Tensor:
        """Threshold, above 0; (), or broadcastable to x with one per channel."""
        ...


def as_domain(domain: Domain, owner: str) -> Domain:
    """The domain, checked."""
    if not isinstance(domain, Domain):
        raise BadOption(f"{owner}: domain={domain!r}; give FLOAT, LOG or POW2")
    return domain


def restricted(threshold: Tensor, domain: Domain) -> Tensor:
    """A computed threshold in its domain. The clamp stands before the logarithm, whose gradient at 0 is infinite."""
    clamped = threshold.clamp(min=LEAST)
    return torch.exp2(ceil_log2(clamped)) if domain is POW2 else clamped


def _two_to(power: Tensor) -> Tensor:
    """2^power, rounded once: as Python, which reads a single threshold, computes it."""
    wide = power if power.device.type == "mps" else power.double()  # which has no float64
    return torch.exp2(wide).to(power.dtype)


def reduced(x: Tensor, channel_dim: int | None) -> Dims:
    """The dimensions of x that a statistic per `channel_dim` reduces; None for a statistic per tensor."""
    if channel_dim is None:
        return None
    if not -x.ndim <= channel_dim < x.ndim:
        raise BadOption(f"channel_dim={channel_dim} of a tensor of shape {tuple(x.shape)}; give one of its dimensions")
    return tuple(dim for dim in range(x.ndim) if dim != channel_dim % x.ndim)


class ConstScale(FullPrecision):
    """A constant threshold.

    Args:
        value: above 0 and finite: one number, or a tensor that broadcasts against x.
        domain: POW2 rounds up to a power of two.
    """

    threshold: Tensor

    def __init__(self, value: float | Tensor, *, domain: Domain = FLOAT) -> None:
        super().__init__()
        number = torch.as_tensor(value, dtype=torch.float32).clone()
        if not bool((number.isfinite() & (number > 0)).all()):
            raise BadOption(f"ConstScale({value!r}): give a finite threshold above 0")
        self.domain = as_domain(domain, "ConstScale")
        self.channel_dim: int | None = _channel_dim(number)
        self.register_buffer("threshold", restricted(number, domain), persistent=False)

    def by_numbers(self, x: Tensor, width: Numbers, kind: Kind, prune: bool) -> Tensor | None:
        """Quantize x by way of Python numbers; None if there are several."""
        if prune or self.channel_dim is not None or width[0].numel() != 1 or type(self) is not ConstScale:
            return None
        offset, base, most = width
        return scalar_quant(x, self.threshold, offset, (False, False, 0.0, base, most, kind))

    def forward(self, x: Tensor | None = None) -> Tensor:
        """The threshold; no gradient."""
        return self.threshold

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"{self.threshold.tolist()}, domain={self.domain.value}"


def _channel_dim(number: Tensor) -> int | None:
    long = [dim for dim, size in enumerate(number.shape) if size > 1]
    return long[0] if long else None


class LearnedScale(FullPrecision):
    """A learned threshold.

    Args:
        init: starting threshold, above 0: one number, or a tensor that broadcasts against x.
        domain: FLOAT keeps the threshold itself, LOG and POW2 its logarithm to base 2.

    Attributes:
        value: the Parameter. Keep weight decay away from it.
    """

    def __init__(self, init: float | Tensor, *, domain: Domain = LOG) -> None:
        super().__init__()
        number = torch.as_tensor(init, dtype=torch.float32).clone()
        if not bool((number.isfinite() & (number > 0)).all()):
            raise BadOption(f"LearnedScale({init!r}): give a finite starting threshold above 0")
        self.domain = as_domain(domain, "LearnedScale")
        self.channel_dim: int | None = _channel_dim(number)
        self.stat: Stat | None = None
        self.started = True
        self.value = nn.Parameter(self._stored(number))

    @classmethod
    def from_stat(cls, stat: Stat, *, channel_dim: int | None = None, domain: Domain = LOG) -> Self:
        """A learned threshold that starts at a statistic: of the weight it is given to, or of a batch.

        A layer starts the scale of its weight by itself; for an activation call `start(batch)`.

        Args:
            stat: from `hwcost.quant.stats`.
            channel_dim: one threshold per index of this dimension; None for one in all.
            domain: as above.
        """
        scale = cls(1.0, domain=domain)
        scale.stat, scale.channel_dim, scale.started = stat, channel_dim, False
        scale.value.data.fill_(nan)  # so that a state dict tells whether the scale that it was taken from had started
        return scale

    def start(self, x: Tensor) -> None:
        """Set the threshold to the statistic of x, without gradient. The Parameter stays the same object."""
        if self.stat is None:
            raise BadOption("LearnedScale.start: this scale has a starting value; build it with from_stat()")
        with torch.no_grad():
            number = self.stat(x.detach(), reduced(x, self.channel_dim)).to(self.value)
            self.value.data = self._stored(number.clamp(min=LEAST))
        self.started = True

    def _stored(self, number: Tensor) -> Tensor:
        return number if self.domain is FLOAT else number.log2()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        stored = state_dict.get(prefix + "value")
        if self.stat is not None and isinstance(stored, Tensor):
            if stored.shape != self.value.shape:  # one per channel: how many, only the statistic tells
                self.value.data = self.value.data.new_full(stored.shape, nan)
            self.started = not bool(stored.isnan().any())
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def by_numbers(self, x: Tensor, width: Numbers, kind: Kind, prune: bool) -> Tensor | None:
        """Quantize x by way of Python numbers; None if there are several."""
        if prune or self.channel_dim is not None or not self.started or width[0].numel() != 1:
            return None
        if type(self) is not LearnedScale:  # one of the user's own, or parametrized
            return None
        value: Any = self._parameters["value"]
        offset, base, most = width
        return scalar_quant(x, value, offset, (self.domain is not FLOAT, kind.power, LEAST, base, most, kind))

    def forward(self, x: Tensor | None = None) -> Tensor:
        """The threshold. Gradient to value: 1 (FLOAT) or threshold ln 2; 0 where it is at its least, 2^-16."""
        if not self.started:
            raise BadOption("LearnedScale.from_stat: no statistic yet; call start() with a tensor first")
        if self.domain is FLOAT:
            return self.value.clamp(min=LEAST)
        power = self.value if self.domain is LOG else ceil_ste(self.value)
        return _two_to(power).clamp(min=LEAST)

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"domain={self.domain.value}, shape={tuple(self.value.shape)}"

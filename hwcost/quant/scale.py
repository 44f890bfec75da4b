"""Scales: what value the largest integer stands for (the threshold). Calling one with x gives it as a tensor."""

from collections.abc import Callable
from enum import Enum
from math import log2, nan
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ste import ceil_log2, ceil_ste, held
from hwcost.quant.kernels import Number
from hwcost.quant.precision import Described, FullPrecision, Stored
from hwcost.quant.stats import Dims, Stat, abs_max

LEAST = 2.0**-16
"""No threshold falls below it: a channel of zeros still has a finite step and finite gradients."""
FLOOR = log2(LEAST)


class Domain(Enum):
    """Representation of a threshold.

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


def _given(value: float | Tensor, owner: str) -> Tensor:
    """The thresholds, float32; a number on the CPU, which can be looked at where the default device is meta."""
    place = value.device if isinstance(value, Tensor) else "cpu"
    number = torch.as_tensor(value, dtype=torch.float32, device=place).clone()
    if not number.is_meta and not bool((number.isfinite() & (number > 0)).all()):
        raise BadOption(f"{owner}({value!r}): give a finite threshold above 0")
    return number if isinstance(value, Tensor) else number.to(torch.get_default_device())


class ConstScale(FullPrecision):
    """A constant threshold.

    Args:
        value: above 0 and finite: one number, or a tensor that broadcasts against x.
        domain: POW2 rounds up to a power of two.
    """

    threshold: Tensor

    def __init__(self, value: float | Tensor, *, domain: Domain = FLOAT) -> None:
        super().__init__()
        number = _given(value, "ConstScale")
        self.domain = as_domain(domain, "ConstScale")
        self.channel_dim: int | None = _channel_dim(number)
        self.value = value
        self.register_buffer("threshold", _exact(number, domain), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        empty = self.threshold.is_meta
        super()._apply(fn, recurse)
        if empty and not self.threshold.is_meta:  # `to_empty` leaves it without a value, and no checkpoint has it
            number = torch.as_tensor(self.value, dtype=torch.float32, device=self.threshold.device)
            self.threshold.copy_(_exact(number, self.domain))
        return self

    def plain(self) -> Number | None:
        """The threshold itself; None of several."""
        threshold = self._buffers["threshold"]
        return None if threshold is None or self.channel_dim is not None else (threshold, False, 0.0)

    def forward(self, x: Tensor | None = None) -> Tensor:
        """The threshold; no gradient."""
        return self.threshold

    def follow(self, before: Tensor, after: Tensor) -> None:
        """Refuse: a constant does not change with the weights."""
        raise BadOption("ConstScale is constant, and the weights change; give them a StatScale or LearnedScale")

    def extra_repr(self) -> str:
        return f"{self.threshold.tolist()}, domain={self.domain.value}"


def _exact(number: Tensor, domain: Domain) -> Tensor:
    """A given threshold in its domain: unlike a computed one, it is never 0."""
    return torch.exp2(ceil_log2(number)) if domain is POW2 else number


def _channel_dim(number: Tensor) -> int | None:
    long = [dim for dim, size in enumerate(number.shape) if size > 1]
    return long[0] if long else None


def ratio_of(stat: Stat, before: Tensor, after: Tensor, channel_dim: int | None) -> Tensor:
    """Factor by which a statistic grows when weights change; 1 where it was 0."""
    dims = reduced(before, channel_dim)
    old, new = stat(before, dims), stat(after, dims)
    return torch.where(old > 0, new / old, torch.ones_like(old))


class LearnedScale(Described):
    """A learned threshold.

    Args:
        init: starting threshold, above 0: one number, or a tensor that broadcasts against x.
        domain: FLOAT keeps the threshold itself, LOG and POW2 its logarithm to base 2.

    Attributes:
        value: the Parameter. Keep weight decay away from it.
    """

    def __init__(self, init: float | Tensor, *, domain: Domain = LOG) -> None:
        super().__init__()
        number = _given(init, "LearnedScale")
        self.domain = as_domain(domain, "LearnedScale")
        self.channel_dim: int | None = _channel_dim(number)
        self.stat: Stat | None = None
        self.value = nn.Parameter(self._stored(number))
        self._seen = True

    @classmethod
    def from_stat(cls, stat: Stat, *, channel_dim: int | None = None, domain: Domain = LOG) -> Self:
        """A learned threshold that starts at a statistic: of the weight it is given to, or of a batch.

        A layer starts the scale of its weight on its own; for an activation call `start(batch)`. Until then the
        Parameter is NaN; whoever writes a number into it (a checkpoint, an average of models, another process of
        DistributedDataParallel) starts it too.

        Args:
            stat: from `hwcost.quant.stats`.
            channel_dim: one threshold per index of this dimension; None for one in all.
            domain: as above.
        """
        scale = cls(1.0, domain=domain)
        scale.stat, scale.channel_dim, scale._seen = stat, channel_dim, False
        with torch.no_grad():
            scale.value.fill_(nan)
        return scale

    @property
    def started(self) -> bool:
        """Whether there is a threshold."""
        if not self._seen and not self.value.is_meta:
            self._seen = not bool(self.value.isnan().any())  # once only: a NaN after that is a training that diverged
        return self._seen or self.value.is_meta

    def start(self, x: Tensor) -> None:
        """Set the threshold to the statistic of x, without gradient. The Parameter stays the same object."""
        if self.stat is None:
            raise BadOption("LearnedScale.start: this scale has a starting value; build it with from_stat()")
        with torch.no_grad():
            number = self.stat(x.detach(), reduced(x, self.channel_dim)).to(self.value)
            self.value.data = self._stored(number.clamp(min=LEAST))
        self._seen = False

    @torch.no_grad()
    def set_threshold(self, number: Tensor) -> None:
        """Set the threshold; a power of two in the middle of what rounds up to it, so that it learns either way.

        Args:
            number: as many as there are, above 0; broadcastable to x where a statistic has yet to tell how many.
        """
        bounded = number.to(self.value).clamp(min=LEAST)
        stored = ceil_log2(bounded) - 0.5 if self.domain is POW2 else self._stored(bounded)
        waiting = self.stat is not None and stored.numel() != self.value.numel()
        self.value.data = stored if waiting else stored.reshape(self.value.shape)
        self._seen = False

    @torch.no_grad()
    def follow(self, before: Tensor, after: Tensor) -> None:
        """Move with weights that change: by the factor by which their statistic grows."""
        if self.started:
            factor = ratio_of(self.stat or abs_max, before, after, self.channel_dim)
            self.value.copy_(self._stored((self._read(self.value) * factor).clamp(min=LEAST)))

    def _stored(self, number: Tensor) -> Tensor:
        return number if self.domain is FLOAT else number.log2()

    def _read(self, stored: Tensor) -> Tensor:
        return stored if self.domain is FLOAT else torch.exp2(stored)

    def reading(self) -> tuple[int, ...]:
        return (list(Domain).index(self.domain),)

    def converted(self, state: Stored, prefix: str, reading: tuple[int, ...]) -> Stored:
        """FLOAT as LOG and back; powers of two stay what they are."""
        domain, stored = list(Domain)[reading[0]], state.get(f"{prefix}value")
        if POW2 in (domain, self.domain):
            raise other_domain(prefix, domain, self.domain)
        if stored is None:
            return state
        value = stored.clamp(min=LEAST).log2() if domain is FLOAT else torch.exp2(stored)
        return state | {f"{prefix}value": value}

    def _load_from_state_dict(self, state_dict: Stored, prefix: str, *rest: Any) -> None:
        stored = state_dict.get(prefix + "value")
        if self.stat is not None and isinstance(stored, Tensor):
            if stored.shape != self.value.shape:  # one per channel: how many, only the statistic tells
                self.value.data = self.value.data.new_full(stored.shape, nan)
            self._seen = False
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def plain(self) -> Number | None:
        """The Parameter; None of several, before the start, and where a parametrization of torch computes it."""
        value = self._parameters.get("value")
        if value is None or self.channel_dim is not None or not self.started:
            return None
        return (value, False, LEAST) if self.domain is FLOAT else (value, True, FLOOR)

    def forward(self, x: Tensor | None = None) -> Tensor:
        """The threshold.

        Returns:
            As the Parameter, at least 2^-16. Gradient to value: 1 (FLOAT) or threshold ln 2; below the least threshold
            it passes only where it leads back, as `ste.held`.

        Raises:
            BadOption: a scale from a statistic that has not been started.
        """
        if not torch.compiler.is_compiling() and not self.started:
            raise BadOption("LearnedScale.from_stat: no statistic yet; call start() with a tensor first")
        if self.domain is FLOAT:
            return held(self.value, least=LEAST)
        power = held(self.value, least=FLOOR)
        return _two_to(power if self.domain is LOG else ceil_ste(power))

    def extra_repr(self) -> str:
        return f"domain={self.domain.value}, shape={tuple(self.value.shape)}"


def other_domain(prefix: str, stored: Domain, domain: Domain) -> BadOption:
    """The error of a threshold stored in a domain that cannot be converted."""
    return BadOption(
        f"{prefix[:-1]}: stored with domain={stored.name}, and this network has domain={domain.name}, whose steps "
        "differ; build it with the stored one"
    )
